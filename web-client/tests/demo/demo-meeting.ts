import { ClientError } from "../../src/errors";
import { Emitter, Signal } from "../../src/reactive";
import type { Account, AccountState } from "../../src/session/account";
import type {
  AudioSource,
  ChatMessage,
  DeviceChoice,
  DeviceList,
  LocalParticipant,
  MediaPath,
  Meeting,
  MeetingPhase,
  Notice,
  RemoteParticipant,
  RoomState,
  VideoSource,
} from "../../src/session/meeting";

export interface DemoWish {
  readonly people: number;
  readonly phase: MeetingPhase["kind"];
  readonly path: MediaPath;
  readonly sharing: boolean;
  readonly visitors: number;
  readonly moderator: boolean;
  readonly deviceError: "device-permission-denied" | "device-not-found" | "device-in-use" | null;
  readonly wrongPassword: boolean;
  readonly chat: boolean;
}

const NAMES = ["Amara Okafor", "Jonas Weber", "Mei Lin", "Søren Holm", "Priya Raman", "Lucía Ortega", "Theo", "Hannah Brandt", "Yusuf Demir", "Ines Duarte", "Pavel Novák", "Grace Mbeki"];
const OFF = { on: false, busy: false, error: null } as const;
const ON = { on: true, busy: false, error: null } as const;

export interface Painters {
  readonly paintedCamera: (seed: number) => MediaStream;
  readonly paintedScreen: () => MediaStream;
}

export const DEMO_WISH: DemoWish = {
  people: 1,
  phase: "idle",
  path: "server",
  sharing: false,
  visitors: 0,
  moderator: false,
  deviceError: null,
  wrongPassword: false,
  chat: false,
};

/** What a test needs beside the meeting itself: to let things happen. */
export interface Happenings {
  readonly tell: (notice: Notice) => void;
  readonly receive: (message: ChatMessage) => void;
  readonly setPath: (path: MediaPath) => void;
  readonly setPeople: (change: (people: readonly RemoteParticipant[]) => readonly RemoteParticipant[]) => void;
  readonly setOwnLevel: (level: number) => void;
  readonly setPhase: (phase: MeetingPhase) => void;
}

/** A meeting that happens in this page only: for looking at the interface and for its tests. */
export function demoMeeting(room: string, wish: DemoWish, painters: Painters): Meeting & { readonly happen: Happenings } {
  const { paintedCamera, paintedScreen } = painters;
  const now = Date.now();
  const started = wish.phase !== "idle";
  const phase = new Signal<MeetingPhase>(phaseOf(wish, now));
  const local = new Signal<LocalParticipant>({
    id: started ? "c0ffee00" : null,
    displayName: started ? "Robin Aldane" : "",
    role: wish.moderator ? "moderator" : "participant",
    raisedHandAt: null,
    microphone: started ? ON : OFF,
    camera: started ? ON : OFF,
    screen: OFF,
    cameraStream: started ? paintedCamera(11) : null,
    screenStream: null,
    audioForceMuted: false,
    videoForceMuted: false,
  });
  const others = Array.from({ length: Math.max(0, wish.people - 1) }, (_, index): RemoteParticipant => {
    const name = NAMES[index % NAMES.length] ?? "Guest";
    return {
      id: `a1b2c3${index.toString(16).padStart(2, "0")}`,
      displayName: index === 6 ? null : name,
      avatarUrl: null,
      role: index === 1 ? "moderator" : "participant",
      raisedHandAt: index === 2 ? now - 5_000 : null,
      audioMuted: index % 3 === 1,
      videoMuted: index % 4 === 3,
      screenSharing: wish.sharing && index === 0,
      dominant: index === 0,
      connection: index === 9 ? "interrupted" : "active",
      joinedAt: now - 60_000 + index,
    };
  });
  const participants = new Signal<readonly RemoteParticipant[]>(started ? others : []);
  const sources: VideoSource[] = others.map((person, index) => ({
    name: `${person.id}-v0`,
    owner: person.id,
    kind: "camera",
    muted: person.videoMuted,
    stream: person.videoMuted ? null : paintedCamera(index),
  }));
  const [first] = others;
  if (wish.sharing && first !== undefined) sources.push({ name: `${first.id}-v1`, owner: first.id, kind: "desktop", muted: false, stream: paintedScreen() });
  const ownLevel = new Signal(0);
  const mediaPath = new Signal<MediaPath>(wish.path);
  const chat = new Signal<readonly ChatMessage[]>(wish.chat && first !== undefined ? sampleChat(others, now) : []);
  const roomState = new Signal<RoomState>({
    passwordProtected: false,
    lobbyEnabled: wish.visitors > 0,
    lobbyVisitors: Array.from({ length: wish.visitors }, (_, index) => ({ id: `visitor-${index}`, displayName: ["Dana Kovač", "Miguel"][index] ?? null })),
    createdAt: now - 754_000,
    audioModerated: false,
    videoModerated: false,
  });
  const notices = new Emitter<Notice>();
  const deviceChoice = new Signal<DeviceChoice>({ microphone: null, camera: null, speaker: null });
  const devices: DeviceList = {
    microphones: [{ id: "m1", label: "Built-in microphone" }, { id: "m2", label: "Headset" }],
    cameras: [{ id: "c1", label: "Built-in camera" }],
    speakers: [{ id: "s1", label: "Built-in speaker" }, { id: "s2", label: "Headset" }],
  };
  const change = (part: Partial<LocalParticipant>): void => local.update((before) => ({ ...before, ...part }));
  const failing = wish.deviceError === null ? null : { on: false, busy: false, error: new ClientError(wish.deviceError) };
  const remote = (id: string, part: Partial<RemoteParticipant>): void =>
    participants.update((list) => list.map((person) => (person.id === id ? { ...person, ...part } : person)));

  return {
    happen: {
      tell: (notice) => notices.emit(notice),
      receive: (message) => chat.update((list) => [...list, message]),
      setPath: (path) => mediaPath.set(path),
      setPeople: (change) => participants.update(change),
      setOwnLevel: (level) => ownLevel.set(level),
      setPhase: (next) => phase.set(next),
    },
    room,
    phase,
    local,
    participants,
    videoSources: new Signal<readonly VideoSource[]>(started ? sources : []),
    audioSources: new Signal<readonly AudioSource[]>([]),
    audioLevels: new Signal<ReadonlyMap<string, number>>(new Map()),
    ownLevel,
    dominantSpeaker: new Signal<string | null>(wish.people > 2 ? (first?.id ?? null) : null),
    mediaPath,
    chat,
    roomState,
    devices: new Signal(devices),
    deviceChoice,
    notices,
    async join(options) {
      change({ displayName: options.displayName, id: "c0ffee00" });
      if (phase.get().kind === "room-password-required" && options.roomPassword !== "open") {
        phase.set({ kind: "room-password-required", wrong: true });
        return;
      }
      phase.set({ kind: "joined", since: Date.now() });
    },
    async leave() {
      phase.set({ kind: "ended", reason: { kind: "left" } });
    },
    async endForAll() {
      phase.set({ kind: "ended", reason: { kind: "closed", text: null } });
    },
    async setMicrophone(on) {
      change({ microphone: on ? (failing ?? ON) : OFF });
    },
    async setCamera(on) {
      change(on && failing === null ? { camera: ON, cameraStream: paintedCamera(11) } : { camera: on ? (failing ?? ON) : OFF, cameraStream: null });
    },
    async shareScreen(on) {
      change(on ? { screen: ON, screenStream: paintedScreen() } : { screen: OFF, screenStream: null });
    },
    async setDevices(choice) {
      deviceChoice.update((before) => ({ ...before, ...choice }));
    },
    async refreshDevices() {},
    sendChat(text, privateTo) {
      chat.update((list) => [
        ...list,
        { id: String(list.length), from: "c0ffee00", displayName: local.get().displayName, mine: true, privateWith: privateTo ?? null, text, sentAt: Date.now(), fromHistory: false, failed: false },
      ]);
    },
    raiseHand(up) {
      change({ raisedHandAt: up ? Date.now() : null });
    },
    setDisplayName(displayName) {
      change({ displayName });
    },
    setReceiverConstraints() {},
    async muteParticipant(id, media) {
      remote(id, media === "audio" ? { audioMuted: true } : { videoMuted: true });
    },
    async kick(id) {
      participants.update((list) => list.filter((person) => person.id !== id));
      notices.emit({ kind: "participant-kicked", who: others.find((person) => person.id === id)?.displayName ?? null, by: null });
    },
    async grantModerator(id) {
      remote(id, { role: "moderator" });
    },
    lowerHand(id) {
      remote(id, { raisedHandAt: null });
    },
    async setRoomPassword(password) {
      roomState.update((state) => ({ ...state, passwordProtected: password !== null }));
      notices.emit({ kind: "room-password-changed", protected: password !== null });
    },
    async setLobby(on) {
      roomState.update((state) => ({ ...state, lobbyEnabled: on }));
    },
    async admitFromLobby(id) {
      roomState.update((state) => ({ ...state, lobbyVisitors: state.lobbyVisitors.filter((visitor) => visitor.id !== id) }));
    },
    async denyFromLobby(id) {
      roomState.update((state) => ({ ...state, lobbyVisitors: state.lobbyVisitors.filter((visitor) => visitor.id !== id) }));
    },
  };
}

function phaseOf(wish: DemoWish, now: number): MeetingPhase {
  switch (wish.phase) {
    case "waiting-for-host":
      return { kind: "waiting-for-host", canSignIn: true };
    case "room-password-required":
      return { kind: "room-password-required", wrong: wish.wrongPassword };
    case "lobby":
      return { kind: "lobby", denied: false };
    case "joined":
      return { kind: "joined", since: now };
    case "reconnecting":
      return { kind: "reconnecting", since: now };
    case "ended":
      return { kind: "ended", reason: { kind: "kicked", by: "Jonas Weber", text: null } };
    case "joining":
      return { kind: "joining" };
    case "idle":
      return { kind: "idle" };
  }
}

function sampleChat(others: readonly RemoteParticipant[], now: number): readonly ChatMessage[] {
  const lines: readonly (readonly [who: number, text: string])[] = [
    [0, "Good morning! The plan for the garden is at https://example.org/garden."],
    [1, "Thank you, looking at it."],
    [1, "The second bed gets more sun than I thought."],
    [-1, "Then the tomatoes go there 🍅"],
    [2, "Could you speak up a little, please?"],
  ];
  return lines.map(([who, text], index) => {
    const person = others[who % others.length];
    return {
      id: `sample-${index}`,
      from: who < 0 ? "c0ffee00" : (person?.id ?? ""),
      displayName: who < 0 ? "Robin Aldane" : (person?.displayName ?? ""),
      mine: who < 0,
      privateWith: index === 4 ? (person?.id ?? null) : null,
      text,
      sentAt: now - 300_000 + index * 40_000,
      fromHistory: index === 0,
      failed: false,
    };
  });
}

/** An account whose password is `correct horse`. */
export function demoAccount(signedIn: boolean): Account {
  const state = new Signal<AccountState>(signedIn ? { kind: "signed-in", username: "ann", address: "ann@localhost" } : { kind: "signed-out" });
  let password = "correct horse";
  return {
    state,
    credentials: () => (state.get().kind === "signed-in" ? { username: "ann", password } : null),
    async signIn(username, given) {
      if (given !== password) throw new ClientError("wrong-credentials");
      state.set({ kind: "signed-in", username, address: `${username}@localhost` });
    },
    async signOut() {
      state.set({ kind: "signed-out" });
    },
    async changePassword(current, next) {
      if (current === "again and again") throw new ClientError("too-many-attempts");
      if (current !== password) throw new ClientError("wrong-current-password");
      password = next;
    },
    async acceptInvite(token, next, username) {
      if (token === "used") throw new ClientError("invite-invalid");
      password = next;
      state.set({ kind: "signed-in", username: username ?? "ann", address: `${username ?? "ann"}@localhost` });
    },
  };
}
