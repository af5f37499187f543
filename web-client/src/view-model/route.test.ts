import { expect, test } from "vitest";
import { suggestRoomName } from "./room-name";
import { ROOM_NAME_CHARACTERS_MAX, isRoomName, roomNameFromInput, roomPath, roomTitle, routeOf } from "./route";

test.each([
  ["/", "", { kind: "welcome" }],
  ["/account", "", { kind: "account" }],
  ["/account/", "", { kind: "account" }],
  ["/account/invite", "#abc", { kind: "invite", token: "abc" }],
  ["/account/else", "", { kind: "not-found" }],
  ["/Tea-Time", "#config.p2p.enabled=false", { kind: "meeting", room: "tea-time" }],
  ["/caf%C3%A9", "", { kind: "meeting", room: "café" }],
  ["/%25%25", "", { kind: "invalid-room" }],
  ["/%E0%A4%A", "", { kind: "invalid-room" }],
  ["/a%20b", "", { kind: "invalid-room" }],
  [`/${"x".repeat(ROOM_NAME_CHARACTERS_MAX)}`, "", { kind: "meeting", room: "x".repeat(ROOM_NAME_CHARACTERS_MAX) }],
  [`/${"x".repeat(ROOM_NAME_CHARACTERS_MAX + 1)}`, "", { kind: "invalid-room" }],
  ["/a/b", "", { kind: "not-found" }],
])("%s%s", (path, hash, route) => {
  expect(routeOf(path, hash)).toEqual(route);
});

test("what is typed becomes a link and reads as typed", () => {
  const room = roomNameFromInput("  Garden  club ");
  expect(room).toBe("Garden-club");
  expect(isRoomName(room)).toBe(true);
  expect(roomPath("café")).toBe("/caf%C3%A9");
  expect(roomTitle("caf%c3%a9-im_park")).toBe("café im park");
});

test("every suggested name is a possible one, at both ends of the lists", () => {
  for (const pick of [() => 0, (limit: number) => limit - 1]) {
    const name = suggestRoomName(pick);
    expect(isRoomName(name)).toBe(true);
    expect(name.split("-")).toHaveLength(5);
  }
});
