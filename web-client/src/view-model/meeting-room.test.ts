import { createRoot } from "solid-js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DEMO_WISH, demoAccount, demoMeeting } from "../../tests/demo/demo-meeting";
import type { DemoWish } from "../../tests/demo/demo-meeting";
import { ClientError } from "../errors";
import { createInvite, createPasswordChange, createSignIn } from "./account";
import { CHAT_CHARACTERS_MAX } from "./chat";
import { PATH_SETTLED_MS, TALK_RELEASE_MS, createMeetingRoom } from "./meeting-room";
import { COALESCE_MS, TOASTS_MAX, TOAST_SHOWN_MS } from "./notices";
import { createPreferences } from "./preferences";
import { JOIN_SLOW_MS, SILENCE_MS, createPrejoin } from "./prejoin";
import type { Services } from "./services";
import { FOCUS_DWELL_MS } from "./tiles";

const painters = { paintedCamera: () => ({}) as MediaStream, paintedScreen: () => ({}) as MediaStream };

let end: () => void = () => undefined;
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  end();
  vi.useRealTimers();
});

function enter(wish: Partial<DemoWish> = {}) {
  const meeting = demoMeeting("tea", { ...DEMO_WISH, phase: "joined", people: 3, ...wish }, painters);
  const copied: string[] = [];
  const preferences = createPreferences(() => ({ getItem: () => null, setItem: () => undefined }) as unknown as Storage);
  const room = createRoot((dispose) => {
    end = dispose;
    return createMeetingRoom({
      meeting,
      preferences,
      now: () => Date.now(),
      devicePixelRatio: () => 2,
      copy: async (text) => void copied.push(text),
      link: () => "https://meet.test/tea",
      showHelp: () => undefined,
      toggleFullscreen: () => undefined,
    });
  });
  return { meeting, room, copied, preferences, toasts: () => room.notices.toasts().map((toast) => toast.text) };
}

const message = (id: string, part = {}) => ({
  id,
  from: "a1b2c300",
  displayName: "Amara Okafor",
  mine: false,
  privateWith: null,
  text: "hello",
  sentAt: 0,
  fromHistory: false,
  failed: false,
  ...part,
});

describe("who could listen", () => {
  test("follows the path and the people, and tells when it changes", () => {
    const { meeting, room, toasts } = enter({ people: 2, path: "direct" });
    expect(room.encryption()).toBe("direct");
    meeting.happen.setPeople((people) => [...people, { ...people[0], id: "new" } as (typeof people)[number]]);
    expect(room.encryption()).toBe("server");
    vi.advanceTimersByTime(PATH_SETTLED_MS);
    expect(toasts()).toContain("Sound and picture pass through this server now.");
    meeting.happen.setPeople((people) => people.slice(0, 1));
    expect(room.encryption()).toBe("direct");
    meeting.happen.setPeople(() => []);
    expect(room.encryption()).toBe("none");
  });

  test("somebody who leaves a direct meeting takes the path along without a word", () => {
    const { meeting, room, toasts } = enter({ people: 2, path: "direct" });
    vi.advanceTimersByTime(PATH_SETTLED_MS);
    meeting.happen.setPath("none");
    expect(room.encryption()).toBe("server");
    meeting.happen.setPeople(() => []);
    vi.advanceTimersByTime(PATH_SETTLED_MS);
    expect(toasts()).toEqual([]);
  });
});

describe("microphone", () => {
  test("push to talk opens it while the key is held", async () => {
    const { meeting, room } = enter();
    await meeting.setMicrophone(false);
    room.keyDown("push-to-talk");
    await vi.advanceTimersByTimeAsync(0);
    expect(meeting.local.get().microphone.on).toBe(true);
    room.releaseTalk();
    await vi.advanceTimersByTimeAsync(TALK_RELEASE_MS - 1);
    expect(meeting.local.get().microphone.on).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    expect(meeting.local.get().microphone.on).toBe(false);
    expect(room.pushToTalk()).toBe(false);
  });

  test("holding the key does not close a microphone that was open", async () => {
    const { meeting, room } = enter();
    room.keyDown("push-to-talk");
    room.releaseTalk();
    await vi.advanceTimersByTimeAsync(TALK_RELEASE_MS);
    expect(meeting.local.get().microphone.on).toBe(true);
  });

  test("its state is remembered for the next meeting", async () => {
    const { room, preferences } = enter();
    room.toggleMicrophone();
    expect(preferences.value().microphoneOn).toBe(false);
  });

  test("speaking while muted is told once a minute at most", async () => {
    const { meeting, toasts } = enter();
    await meeting.setMicrophone(false);
    meeting.happen.setOwnLevel(0.5);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(toasts()).toHaveLength(1);
    meeting.happen.setOwnLevel(0);
    meeting.happen.setOwnLevel(0.5);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(toasts()).toHaveLength(1);
  });

  test("a device that does not open is told", async () => {
    const { meeting, room, toasts } = enter({ deviceError: "device-in-use" });
    await meeting.setMicrophone(false);
    room.toggleMicrophone();
    await vi.advanceTimersByTimeAsync(0);
    expect(toasts()).toEqual(["Another program uses the device."]);
  });
});

describe("chat", () => {
  test("counts what came while it was closed", () => {
    const { meeting, room } = enter();
    meeting.happen.receive(message("1"));
    meeting.happen.receive(message("2", { fromHistory: true }));
    room.chat.send("mine");
    expect(room.chat.unread()).toBe(1);
    room.togglePanel("chat");
    expect(room.chat.unread()).toBe(0);
    meeting.happen.receive(message("3"));
    expect(room.chat.unread()).toBe(0);
    room.togglePanel("chat");
    meeting.happen.receive(message("4"));
    expect(room.chat.unread()).toBe(1);
    expect(room.chat.newest()?.id).toBe("4");
  });

  test("sends neither nothing nor too much", () => {
    const { meeting, room } = enter();
    expect(room.chat.send("  \n ")).toBe(false);
    expect(room.chat.send("x".repeat(CHAT_CHARACTERS_MAX + 1))).toBe(false);
    expect(meeting.chat.get()).toHaveLength(0);
    expect(room.chat.send("x".repeat(CHAT_CHARACTERS_MAX))).toBe(true);
  });

  test("what was meant for one person never goes to all", () => {
    const { meeting, room } = enter();
    room.writePrivately("a1b2c300");
    expect(room.panel()).toBe("chat");
    room.chat.send("secret");
    expect(meeting.chat.get()[0]).toMatchObject({ privateWith: "a1b2c300" });
    meeting.happen.setPeople((people) => people.filter((person) => person.id !== "a1b2c300"));
    expect(room.chat.privateTo()).toBeNull();
    expect(room.chat.send("another secret")).toBe(false);
    expect(meeting.chat.get()).toHaveLength(1);
  });
});

describe("notices", () => {
  test("many who join at once are one notice", () => {
    const { meeting, toasts } = enter();
    for (const name of ["A", "B", null]) meeting.happen.tell({ kind: "participant-joined", id: name ?? "x", displayName: name });
    meeting.happen.tell({ kind: "participant-left", id: "C", displayName: "C" });
    expect(toasts()).toEqual([]);
    vi.advanceTimersByTime(COALESCE_MS);
    expect(toasts()).toEqual(["3 people joined", "C left"]);
  });

  test("are few, and go by themselves", () => {
    const { meeting, toasts } = enter();
    for (let n = 0; n < TOASTS_MAX + 3; n += 1) meeting.happen.tell({ kind: "hand-lowered-by-moderator" });
    expect(toasts()).toHaveLength(TOASTS_MAX);
    vi.advanceTimersByTime(TOAST_SHOWN_MS);
    expect(toasts()).toEqual([]);
  });

  test("a raised hand is told, a lowered one is not", () => {
    const { meeting, toasts } = enter();
    meeting.happen.setPeople((people) => people.map((person, index) => (index === 0 ? { ...person, raisedHandAt: 5 } : person)));
    meeting.happen.setPeople((people) => people.map((person) => ({ ...person, raisedHandAt: null })));
    expect(toasts()).toEqual(["Amara Okafor raised a hand"]);
  });

  test("a refused moderator's action says why", async () => {
    const { meeting, room, toasts } = enter();
    vi.spyOn(meeting, "kick").mockRejectedValue(new ClientError("not-allowed"));
    room.kick("a1b2c300");
    await vi.advanceTimersByTimeAsync(0);
    expect(toasts()).toEqual(["That did not work. You may not do this here."]);
  });

  test("being back is told", () => {
    const { meeting, room, toasts } = enter();
    meeting.happen.setPhase({ kind: "reconnecting", since: 0 });
    expect(room.reconnecting()).toBe(true);
    meeting.happen.setPhase({ kind: "joined", since: 0 });
    expect(toasts()).toEqual(["You are back."]);
  });
});

describe("stage", () => {
  test("asks for what is shown, in device pixels, the large one apart", () => {
    const { meeting, room } = enter({ people: 3 });
    const asked = vi.spyOn(meeting, "setReceiverConstraints");
    room.stage.resize({ width: 1440, height: 760 });
    expect(asked.mock.lastCall?.[0].stage).toEqual([]);
    expect(asked.mock.lastCall?.[0].tiles.map((source) => source.name)).toEqual(["a1b2c300-v0", "a1b2c301-v0"]);
    room.stage.toggleMode();
    expect(asked.mock.lastCall?.[0].stage).toEqual([{ name: "a1b2c300-v0", heightPx: 1520 }]);
  });

  test("two people see each other large, more see everybody, a shared screen comes first", () => {
    expect(enter({ people: 2 }).room.stage.mode()).toBe("speaker");
    end();
    expect(enter({ people: 3 }).room.stage.mode()).toBe("grid");
    end();
    const { room } = enter({ people: 3, sharing: true });
    room.stage.resize({ width: 1440, height: 760 });
    expect(room.stage.mode()).toBe("speaker");
    expect(room.stage.arrangement().places.get("a1b2c300-screen")?.role).toBe("stage");
  });

  test("the pinned one stays large, and lets go when clicked again", () => {
    const { room } = enter({ people: 4 });
    room.stage.resize({ width: 1440, height: 760 });
    room.stage.pin("a1b2c302");
    vi.advanceTimersByTime(FOCUS_DWELL_MS);
    expect(room.stage.arrangement().places.get("a1b2c302")?.role).toBe("stage");
    room.stage.pin("a1b2c302");
    expect(room.stage.pinned()).toBeNull();
  });
});

test("the link goes to the clipboard", async () => {
  const { room, copied, toasts } = enter();
  room.copyLink();
  await vi.advanceTimersByTimeAsync(0);
  expect(copied).toEqual(["https://meet.test/tea"]);
  expect(toasts()).toEqual(["Link copied"]);
});

describe("before joining", () => {
  const look = async (permission: "granted" | "ask", wish: Partial<DemoWish> = {}, settings: Partial<Services["joinSettings"]> = {}) => {
    const meeting = demoMeeting("tea", { ...DEMO_WISH, ...wish }, painters);
    const preferences = createPreferences(() => ({ getItem: () => null, setItem: () => undefined }) as unknown as Storage);
    const joinSettings = { prejoin: true, displayName: null, requireDisplayName: true, startWithAudioMuted: false, startWithVideoMuted: false, ...settings };
    const services = { preferences, joinSettings } as unknown as Services;
    const prejoin = createRoot((dispose) => {
      end = dispose;
      return createPrejoin(meeting, services, async () => permission);
    });
    await vi.advanceTimersByTimeAsync(0);
    return { meeting, prejoin, preferences };
  };

  test("devices open by themselves only when the browser would not ask", async () => {
    expect((await look("granted")).meeting.local.get().camera.on).toBe(true);
    end();
    const { meeting, prejoin } = await look("ask");
    expect(meeting.local.get().camera.on).toBe(false);
    expect(prejoin.mayAsk()).toBe(true);
    prejoin.ask();
    expect(meeting.local.get().camera.on).toBe(true);
    expect(prejoin.mayAsk()).toBe(false);
  });

  test("joining asks for the devices, unless the person went on without them", async () => {
    const asked = await look("ask");
    asked.prejoin.writeName("Ann");
    asked.prejoin.join(null);
    expect(asked.meeting.local.get().camera.on).toBe(true);
    end();
    const without = await look("ask");
    without.prejoin.decline();
    without.prejoin.writeName("Ann");
    without.prejoin.join(null);
    expect(without.prejoin.mayAsk()).toBe(false);
    expect(without.meeting.local.get()).toMatchObject({ camera: { on: false }, microphone: { on: false } });
  });

  test("what the address turns off stays off", async () => {
    const { meeting } = await look("granted", {}, { startWithAudioMuted: true });
    expect(meeting.local.get()).toMatchObject({ microphone: { on: false }, camera: { on: true } });
  });

  test("a silent microphone is told, a voice takes it back", async () => {
    const { meeting, prejoin } = await look("granted");
    expect(prejoin.finding()).toBe("listening");
    await vi.advanceTimersByTimeAsync(SILENCE_MS);
    expect(prejoin.finding()).toBe("silent");
    meeting.happen.setOwnLevel(0.3);
    expect(prejoin.finding()).toBe("hearing");
    prejoin.toggleMicrophone();
    expect(prejoin.finding()).toBe("off");
  });

  test("a name is asked for where the server wants one, and kept", async () => {
    const { meeting, prejoin, preferences } = await look("granted");
    expect(prejoin.join(null)).toBe(false);
    expect(prejoin.nameError()).toMatch(/your name/);
    prejoin.writeName(" Ann ");
    expect(prejoin.nameError()).toBeUndefined();
    expect(prejoin.join(null)).toBe(true);
    expect(preferences.value().displayName).toBe("Ann");
    expect(meeting.phase.get().kind).toBe("joined");
  });

  test("waiting long to join is told", async () => {
    const { meeting, prejoin } = await look("granted");
    meeting.happen.setPhase({ kind: "joining" });
    vi.advanceTimersByTime(JOIN_SLOW_MS - 1);
    expect(prejoin.slow()).toBe(false);
    vi.advanceTimersByTime(1);
    expect(prejoin.slow()).toBe(true);
    meeting.happen.setPhase({ kind: "idle" });
    expect(prejoin.slow()).toBe(false);
  });

  test.each([
    ["device-permission-denied", /keeps the device closed/],
    ["device-not-found", /No device/],
    ["device-in-use", /in use/],
  ] as const)("%s is told kindly, and joining stays possible", async (deviceError, title) => {
    const { prejoin } = await look("granted", { deviceError });
    expect(prejoin.problem()?.title).toMatch(title);
    prejoin.writeName("Ann");
    expect(prejoin.join(null)).toBe(true);
  });
});

describe("account", () => {
  const within = <T>(make: () => T): T =>
    createRoot((dispose) => {
      end = dispose;
      return make();
    });

  test("a password is changed only with the current one", async () => {
    const account = demoAccount(true);
    const form = within(() => createPasswordChange(account));
    expect(await form.submit("wrong", "river lantern", "river lantern")).toBe(false);
    expect(form.error()).toEqual({ field: "current", text: "The current password is not right. Nothing was changed." });
    expect(await form.submit("again and again", "river lantern", "river lantern")).toBe(false);
    expect(form.error()?.field).toBe("form");
    expect(form.error()?.text).toMatch(/Too many attempts/);
    expect(await form.submit("correct horse", "river lantern", "river lantern")).toBe(true);
    expect(form.progress().kind).toBe("done");
    expect(form.error()).toBeNull();
    expect(account.credentials()?.password).toBe("river lantern");
  });

  test("what is wrong by itself never reaches the server", async () => {
    const account = demoAccount(true);
    const asked = vi.spyOn(account, "changePassword");
    const form = within(() => createPasswordChange(account));
    for (const [current, next, repeat, field] of [
      ["", "river lantern", "river lantern", "current"],
      ["correct horse", "short", "short", "new"],
      ["correct horse", "river lantern", "river lamp", "repeat"],
      ["correct horse", "correct horse", "correct horse", "new"],
    ] as const) {
      expect(await form.submit(current, next, repeat)).toBe(false);
      expect(form.error()?.field).toBe(field);
    }
    expect(asked).not.toHaveBeenCalled();
  });

  test("a second click while the first is on its way does nothing", async () => {
    const account = demoAccount(true);
    let finish = (): void => undefined;
    const asked = vi.spyOn(account, "changePassword").mockReturnValue(new Promise((resolve) => (finish = resolve)));
    const form = within(() => createPasswordChange(account));
    const first = form.submit("correct horse", "river lantern", "river lantern");
    expect(form.busy()).toBe(true);
    expect(await form.submit("correct horse", "river lantern", "river lantern")).toBe(false);
    finish();
    expect(await first).toBe(true);
    expect(asked).toHaveBeenCalledOnce();
  });

  test("an invitation is used once", async () => {
    const account = demoAccount(false);
    expect(await within(() => createInvite(account, "used")).submit("", "river lantern", "river lantern")).toBe(false);
    end();
    const form = within(() => createInvite(account, "fresh"));
    expect(await form.submit(" ben ", "river lantern", "river lantern")).toBe(true);
    expect(account.state.get()).toMatchObject({ kind: "signed-in", username: "ben" });
  });

  test("signing in says which part is missing or that it is not right", async () => {
    const form = within(() => createSignIn(demoAccount(false)));
    expect(await form.submit(" ", "x")).toBe(false);
    expect(form.error()?.field).toBe("username");
    expect(await form.submit("ann", "")).toBe(false);
    expect(form.error()?.field).toBe("current");
    expect(await form.submit("ann", "nonsense")).toBe(false);
    expect(form.error()).toMatchObject({ field: "form" });
    expect(await form.submit("ann", "correct horse")).toBe(true);
  });
});
