import { describe, expect, test } from "vitest";
import type { LocalParticipant, RemoteParticipant, VideoSource } from "../session/meeting";
import { FOCUS_DWELL_MS, NO_FOCUS, initials, nextFocus, tilesOf } from "./tiles";

const off = { on: false, busy: false, error: null };
const local: LocalParticipant = {
  id: "me",
  displayName: "Ann",
  role: "participant",
  raisedHandAt: null,
  microphone: off,
  camera: off,
  screen: off,
  cameraStream: null,
  screenStream: null,
  audioForceMuted: false,
  videoForceMuted: false,
};
const person = (id: string, part: Partial<RemoteParticipant> = {}): RemoteParticipant => ({
  id,
  displayName: id,
  avatarUrl: null,
  role: "participant",
  raisedHandAt: null,
  audioMuted: false,
  videoMuted: false,
  screenSharing: false,
  dominant: false,
  connection: "active",
  joinedAt: 0,
  ...part,
});
const source = (owner: string, kind: "camera" | "desktop", muted = false): VideoSource => ({ name: `${owner}-${kind}`, owner, kind, muted, stream: {} as MediaStream });

test("screens come first, then us, then the others in their order", () => {
  const tiles = tilesOf(local, [person("a"), person("b")], [source("b", "desktop"), source("a", "camera")], "b");
  expect(tiles.map((tile) => tile.key)).toEqual(["b-screen", "local", "a", "b"]);
  expect(tiles.find((tile) => tile.key === "a")?.source).toBe("a-camera");
  expect(tiles.find((tile) => tile.key === "b")).toMatchObject({ dominant: true, stream: null, source: null });
});

test("a muted picture is not shown", () => {
  const [, tile] = tilesOf(local, [person("a")], [source("a", "camera", true), source("a", "desktop", true)], null);
  expect(tile).toMatchObject({ key: "a", stream: null, source: null });
});

test("two screens of one person are two tiles", () => {
  const tiles = tilesOf(local, [person("a")], [source("a", "desktop"), { ...source("a", "desktop"), name: "second" }], null);
  expect(tiles.map((tile) => tile.key)).toEqual(["a-screen", "a-screen2", "local", "a"]);
});

describe("focus", () => {
  const at = (dominant: string | null) => tilesOf(local, [person("a"), person("b")], [], dominant);

  test("stays with the speaker until somebody else spoke long enough", () => {
    let focus = nextFocus(NO_FOCUS, at("a"), null, 0);
    expect(focus.shown).toBe("a");
    focus = nextFocus(focus, at("b"), null, 1_000);
    expect(focus.shown).toBe("a");
    focus = nextFocus(focus, at("b"), null, 1_000 + FOCUS_DWELL_MS - 1);
    expect(focus.shown).toBe("a");
    focus = nextFocus(focus, at("b"), null, 1_000 + FOCUS_DWELL_MS);
    expect(focus).toEqual({ shown: "b", candidate: null, candidateSince: 0 });
  });

  test("a short word of somebody else changes nothing", () => {
    let focus = nextFocus(NO_FOCUS, at("a"), null, 0);
    focus = nextFocus(focus, at("b"), null, 1_000);
    focus = nextFocus(focus, at("a"), null, 1_500);
    focus = nextFocus(focus, at("b"), null, 1_000 + FOCUS_DWELL_MS);
    expect(focus.shown).toBe("a");
  });

  test("never goes to ourselves while somebody else is here", () => {
    expect(nextFocus(NO_FOCUS, at("me"), null, 0).shown).toBe("a");
  });

  test("what is pinned wins over a screen, a screen over the speaker", () => {
    const tiles = tilesOf(local, [person("a"), person("b")], [source("b", "desktop")], "a");
    expect(nextFocus(NO_FOCUS, tiles, null, 0).shown).toBe("b-screen");
    expect(nextFocus(NO_FOCUS, tiles, "a", 0).shown).toBe("a");
    expect(nextFocus(NO_FOCUS, tiles, "gone", 0).shown).toBe("b-screen");
  });
});

test("our own screen is shared without being shown large", () => {
  const sharing = tilesOf({ ...local, screen: { ...off, on: true }, screenStream: {} as MediaStream }, [person("a")], [], null);
  expect(sharing.map((tile) => tile.key)).toEqual(["local-screen", "local", "a"]);
  expect(nextFocus(NO_FOCUS, sharing, null, 0).shown).toBe("a");
});

test.each([
  ["Ann Lee", "AL"],
  ["  søren  ", "S"],
  ["Ana María de la Cruz", "AC"],
  ["🦊 Fox", "🦊F"],
  [null, ""],
])("initials of %j", (name, letters) => {
  expect(initials(name)).toBe(letters);
});
