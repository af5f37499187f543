import { createEffect, createMemo, createSignal, on, onCleanup } from "solid-js";
import type { Accessor } from "solid-js";
import { t } from "../messages/catalogue";
import { asClientError } from "../errors";
import type { LocalParticipant, Meeting, ParticipantId, RemoteParticipant, RoomState } from "../session/meeting";
import { createChat } from "./chat";
import type { Chat } from "./chat";
import { encryptionState } from "./encryption";
import type { EncryptionState } from "./encryption";
import { createNotices } from "./notices";
import type { Notices } from "./notices";
import { createStage } from "./stage";
import type { Stage } from "./stage";
import type { ShortcutAction } from "./shortcuts";
import type { PreferenceStore } from "./preferences";
import { watch } from "./watch";

export type Panel = "chat" | "participants";

/** The room while one is in it: everything its regions share, and the actions of its controls. */
export interface MeetingRoom {
  readonly local: Accessor<LocalParticipant>;
  readonly participants: Accessor<readonly RemoteParticipant[]>;
  readonly state: Accessor<RoomState>;
  readonly moderator: Accessor<boolean>;
  readonly peopleCount: Accessor<number>;
  readonly encryption: Accessor<EncryptionState>;
  readonly reconnecting: Accessor<boolean>;
  /** Seconds since the meeting began. */
  readonly elapsedS: Accessor<number>;
  readonly panel: Accessor<Panel | null>;
  readonly pushToTalk: Accessor<boolean>;
  readonly stage: Stage;
  readonly chat: Chat;
  readonly notices: Notices;
  readonly togglePanel: (panel: Panel) => void;
  readonly closePanel: () => void;
  readonly toggleMicrophone: () => void;
  readonly toggleCamera: () => void;
  readonly toggleScreen: () => void;
  readonly toggleHand: () => void;
  readonly toggleLobby: () => void;
  readonly muteAll: () => void;
  readonly copyLink: () => void;
  readonly leave: () => void;
  readonly endForAll: () => void;
  readonly mute: (id: ParticipantId, media: "audio" | "video" | "desktop") => void;
  readonly kick: (id: ParticipantId) => void;
  readonly grantModerator: (id: ParticipantId) => void;
  readonly lowerHand: (id: ParticipantId) => void;
  readonly writePrivately: (id: ParticipantId) => void;
  readonly admit: (id: string) => void;
  readonly deny: (id: string) => void;
  /** null takes the password away; resolves to whether the server took it. */
  readonly setPassword: (password: string | null) => Promise<boolean>;
  readonly keyDown: (action: ShortcutAction) => void;
  readonly releaseTalk: () => void;
}

export interface MeetingRoomNeeds {
  readonly meeting: Meeting;
  readonly preferences: PreferenceStore;
  readonly now: () => number;
  readonly devicePixelRatio: () => number;
  readonly copy: (text: string) => Promise<void>;
  readonly link: () => string;
  readonly showHelp: () => void;
  readonly toggleFullscreen: () => void;
}

/** Holding the space bar may bounce. */
export const TALK_RELEASE_MS = 50;
/** A path that lasted this long is worth a notice. */
export const PATH_SETTLED_MS = 1_500;
const SPEAKING_LEVEL = 0.06;
/** Speaking this long while muted is told of, but not again within `MUTED_HINT_EVERY_MS`. */
const MUTED_SPEAKING_MS = 900;
const MUTED_HINT_EVERY_MS = 60_000;

export function createMeetingRoom({ meeting, preferences, now, devicePixelRatio, copy, link, showHelp, toggleFullscreen }: MeetingRoomNeeds): MeetingRoom {
  const local = watch(meeting.local);
  const participants = watch(meeting.participants);
  const state = watch(meeting.roomState);
  const path = watch(meeting.mediaPath);
  const phase = watch(meeting.phase);
  const notices = createNotices(meeting);
  const chat = createChat(meeting);
  const stage = createStage(meeting, devicePixelRatio, now);
  const [panel, setPanel] = createSignal<Panel | null>(null);
  const [pushToTalk, setPushToTalk] = createSignal(false);
  const encryption = createMemo(() => encryptionState(path(), participants().length));
  const reconnecting = createMemo(() => phase().kind === "reconnecting");

  const joinedAt = now();
  const [clock, setClock] = createSignal(joinedAt);
  const tick = setInterval(() => setClock(now()), 1_000);
  onCleanup(() => clearInterval(tick));
  const elapsedS = createMemo(() => Math.max(0, Math.floor((clock() - (state().createdAt ?? joinedAt)) / 1_000)));

  tellWhenPathChanges();
  createEffect(
    on(reconnecting, (is, was) => {
      if (was === true && !is && phase().kind === "joined") notices.tell(t().notice.backOnline);
    }),
  );
  createEffect(
    on(participants, (after, before) => {
      for (const person of after) {
        const earlier = before?.find((other) => other.id === person.id);
        if (earlier !== undefined && earlier.raisedHandAt === null && person.raisedHandAt !== null) notices.tell(t().notice.hand(person.displayName ?? t().somebody));
      }
    }),
  );
  tellWhenMutedAndSpeaking();

  /** Moderators' actions tell when the server refuses. */
  const attempt = (action: Promise<void>): Promise<boolean> =>
    action.then(
      () => true,
      (thrown: unknown) => {
        notices.tell(`${t().notice.actionFailed} ${t().error[asClientError(thrown, "server-error").code]}`, "problem");
        return false;
      },
    );
  const showPanel = (next: Panel | null): void => {
    setPanel(next);
    chat.show(next === "chat");
  };
  const deviceAction = async (action: Promise<void>, device: "microphone" | "camera" | "screen"): Promise<void> => {
    await action;
    const { error } = local()[device];
    if (error !== null && error.code !== "screen-share-cancelled") notices.tell(t().error[error.code], "problem");
  };

  const setMicrophone = (on: boolean): void => {
    if (on && local().audioForceMuted) notices.tell(t().notice.unmuteRefused, "attention");
    else void deviceAction(meeting.setMicrophone(on), "microphone");
  };
  const toggles = {
    toggleMicrophone() {
      const next = !local().microphone.on;
      preferences.change({ microphoneOn: next });
      setMicrophone(next);
    },
    toggleCamera() {
      const next = !local().camera.on;
      if (next && local().videoForceMuted) {
        notices.tell(t().notice.unmuteRefused, "attention");
        return;
      }
      preferences.change({ cameraOn: next });
      void deviceAction(meeting.setCamera(next), "camera");
    },
    toggleScreen() {
      void deviceAction(meeting.shareScreen(!local().screen.on), "screen");
    },
    toggleHand() {
      meeting.raiseHand(local().raisedHandAt === null);
    },
    togglePanel(which: Panel) {
      showPanel(panel() === which ? null : which);
    },
  };

  let release: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(release));
  const releaseTalk = (): void => {
    if (!pushToTalk()) return;
    clearTimeout(release);
    release = setTimeout(() => {
      setPushToTalk(false);
      setMicrophone(false);
    }, TALK_RELEASE_MS);
  };

  return {
    local,
    participants,
    state,
    moderator: createMemo(() => local().role === "moderator"),
    peopleCount: createMemo(() => participants().length + 1),
    encryption,
    reconnecting,
    elapsedS,
    panel,
    pushToTalk,
    stage,
    chat,
    notices,
    ...toggles,
    closePanel: () => showPanel(null),
    toggleLobby: () => void attempt(meeting.setLobby(!state().lobbyEnabled)),
    muteAll() {
      for (const person of participants()) if (!person.audioMuted) void attempt(meeting.muteParticipant(person.id, "audio"));
    },
    copyLink() {
      void copy(link()).then(
        () => notices.tell(t().meeting.linkCopied),
        () => notices.tell(link(), "attention"),
      );
    },
    leave: () => void meeting.leave(),
    endForAll: () => void attempt(meeting.endForAll()),
    mute: (id, media) => void attempt(meeting.muteParticipant(id, media)),
    kick: (id) => void attempt(meeting.kick(id)),
    grantModerator: (id) => void attempt(meeting.grantModerator(id)),
    lowerHand: (id) => meeting.lowerHand(id),
    writePrivately(id) {
      chat.writeTo(id);
      showPanel("chat");
    },
    admit: (id) => void attempt(meeting.admitFromLobby(id)),
    deny: (id) => void attempt(meeting.denyFromLobby(id)),
    setPassword: (password) => attempt(meeting.setRoomPassword(password)),
    keyDown(action) {
      switch (action) {
        case "microphone":
          return toggles.toggleMicrophone();
        case "camera":
          return toggles.toggleCamera();
        case "screen":
          return toggles.toggleScreen();
        case "chat":
          return toggles.togglePanel("chat");
        case "participants":
          return toggles.togglePanel("participants");
        case "hand":
          return toggles.toggleHand();
        case "layout":
          return stage.toggleMode();
        case "timer":
          return notices.tell(t().shortcuts.lasted(Math.floor(elapsedS() / 60)));
        case "fullscreen":
          return toggleFullscreen();
        case "help":
          return showHelp();
        case "push-to-talk":
          clearTimeout(release);
          if (local().microphone.on || pushToTalk() || local().audioForceMuted) return undefined;
          setPushToTalk(true);
          setMicrophone(true);
      }
    },
    releaseTalk,
  };

  /** The badge changes at once; the notice waits until the path has settled, so that coming and going stays quiet. */
  function tellWhenPathChanges(): void {
    let told = encryption();
    createEffect(
      on(encryption, (is) => {
        const timer = setTimeout(() => {
          const before = told;
          told = is;
          if (before === "none" || is === "none" || before === is) return;
          notices.tell(is === "direct" ? t().notice.direct : t().notice.server, is === "direct" ? "calm" : "attention");
        }, PATH_SETTLED_MS);
        onCleanup(() => clearTimeout(timer));
      }),
    );
  }

  function tellWhenMutedAndSpeaking(): void {
    const level = watch(meeting.ownLevel);
    let toldAt = Number.NEGATIVE_INFINITY;
    const speaking = createMemo(() => !local().microphone.on && level() > SPEAKING_LEVEL);
    createEffect(
      on(speaking, (is) => {
        if (!is) return;
        const timer = setTimeout(() => {
          if (now() - toldAt < MUTED_HINT_EVERY_MS) return;
          toldAt = now();
          notices.tell(t().meeting.mutedButSpeaking, "attention");
        }, MUTED_SPEAKING_MS);
        onCleanup(() => clearTimeout(timer));
      }),
    );
  }
}
