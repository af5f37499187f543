import { createSignal, onCleanup } from "solid-js";
import type { Accessor } from "solid-js";
import type { Meeting, Notice } from "../session/meeting";
import { t } from "../messages/catalogue";
import { listen } from "./watch";

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: "calm" | "attention" | "problem";
}

export interface Notices {
  readonly toasts: Accessor<readonly Toast[]>;
  readonly tell: (text: string, tone?: Toast["tone"]) => void;
  readonly dismiss: (id: number) => void;
}

/** More than these would cover the meeting; the oldest goes first. */
export const TOASTS_MAX = 4;
export const TOAST_SHOWN_MS = 6_000;
/** A problem stays longer: it asks to be read. */
export const PROBLEM_SHOWN_MS = 12_000;
/** People who come or go within this time are told of in one notice. */
export const COALESCE_MS = 1_200;

/** Turns what happens into short sentences, a few at a time. */
export function createNotices(meeting: Meeting): Notices {
  const [toasts, setToasts] = createSignal<readonly Toast[]>([]);
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let lastId = 0;

  const after = (ms: number, then: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      then();
    }, ms);
    timers.add(timer);
  };
  const dismiss = (id: number): void => {
    setToasts((list) => list.filter((toast) => toast.id !== id));
  };
  const tell = (text: string, tone: Toast["tone"] = "calm"): void => {
    lastId += 1;
    const id = lastId;
    setToasts((list) => [...list, { id, text, tone }].slice(-TOASTS_MAX));
    after(tone === "problem" ? PROBLEM_SHOWN_MS : TOAST_SHOWN_MS, () => dismiss(id));
  };

  const gathered = { joined: [] as string[], left: [] as string[] };
  const gather = (list: "joined" | "left", name: string | null): void => {
    if (gathered[list].push(name ?? t().somebody) > 1) return;
    after(COALESCE_MS, () => {
      const names = gathered[list].splice(0);
      const [only] = names;
      const words = t().notice;
      if (list === "joined") tell(names.length === 1 && only !== undefined ? words.joined(only) : words.joinedMany(names.length));
      else tell(names.length === 1 && only !== undefined ? words.left(only) : words.leftMany(names.length));
    });
  };

  listen(meeting.notices, (notice) => {
    if (notice.kind === "participant-joined") gather("joined", notice.displayName);
    else if (notice.kind === "participant-left") gather("left", notice.displayName);
    else {
      const { text, tone } = wording(notice);
      tell(text, tone);
    }
  });
  onCleanup(() => {
    for (const timer of timers) clearTimeout(timer);
  });

  return { toasts, tell, dismiss };
}

type OtherNotice = Exclude<Notice, { readonly kind: "participant-joined" | "participant-left" }>;

function wording(notice: OtherNotice): Pick<Toast, "text" | "tone"> {
  const words = t().notice;
  switch (notice.kind) {
    case "muted-by-moderator":
      return { text: words.mutedByModerator(notice.by, notice.media), tone: "attention" };
    case "unmute-allowed":
      return { text: words.unmuteAllowed(notice.media), tone: "attention" };
    case "unmute-refused":
      return { text: words.unmuteRefused, tone: "attention" };
    case "participant-kicked":
      return { text: words.kicked(notice.who ?? t().somebody, notice.by), tone: "calm" };
    case "role-changed":
      return { text: notice.role === "moderator" ? words.roleModerator : words.roleParticipant, tone: "attention" };
    case "room-password-changed":
      return { text: notice.protected ? words.passwordSet : words.passwordRemoved, tone: "calm" };
    case "hand-lowered-by-moderator":
      return { text: words.handLowered, tone: "calm" };
    case "source-limit":
      return { text: words.sourceLimit, tone: "problem" };
    case "device-changed":
      return { text: words.deviceChanged(notice.media), tone: "calm" };
    case "action-failed":
      return { text: `${words.actionFailed} ${t().error[notice.error.code]}`, tone: "problem" };
  }
}
