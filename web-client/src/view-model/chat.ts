import { createEffect, createMemo, createSignal, on } from "solid-js";
import type { Accessor } from "solid-js";
import type { ChatMessage, Meeting, ParticipantId } from "../session/meeting";
import { watch } from "./watch";

/** Longest message we send, in characters. */
export const CHAT_CHARACTERS_MAX = 4_000;

export interface Chat {
  readonly messages: Accessor<readonly ChatMessage[]>;
  readonly open: Accessor<boolean>;
  readonly unread: Accessor<number>;
  /** The person a message goes to alone; null when it goes to everybody. */
  readonly privateTo: Accessor<ParticipantId | null>;
  /** The newest message of somebody else that arrived while we were here, for the screen reader. */
  readonly newest: Accessor<ChatMessage | null>;
  readonly show: (open: boolean) => void;
  readonly writeTo: (id: ParticipantId | null) => void;
  /** False when there is nothing to send or it is too long. */
  readonly send: (text: string) => boolean;
}

export function createChat(meeting: Meeting): Chat {
  const messages = watch(meeting.chat);
  const participants = watch(meeting.participants);
  const [open, setOpen] = createSignal(false);
  const [read, setRead] = createSignal(messages().length);
  const [wishedTo, writeTo] = createSignal<ParticipantId | null>(null);
  const [newest, setNewest] = createSignal<ChatMessage | null>(null);

  const unread = createMemo(() => messages().slice(read()).filter((message) => !message.mine && !message.fromHistory).length);
  createEffect(
    on(messages, (now, before) => {
      const fresh = now.slice(before?.length ?? now.length).findLast((message) => !message.mine && !message.fromHistory);
      if (fresh !== undefined) setNewest(fresh);
      if (open()) setRead(now.length);
    }),
  );

  // Somebody who left cannot be written to any more.
  const privateTo = createMemo(() => {
    const id = wishedTo();
    return id !== null && participants().some((participant) => participant.id === id) ? id : null;
  });

  return {
    messages,
    open,
    unread,
    privateTo,
    newest,
    show(next) {
      setOpen(next);
      setRead(messages().length);
    },
    writeTo,
    send(text) {
      const trimmed = text.trim();
      if (trimmed === "" || trimmed.length > CHAT_CHARACTERS_MAX) return false;
      const to = privateTo();
      // What was meant for one person must never go to all because that person left meanwhile.
      if (to === null && wishedTo() !== null) {
        writeTo(null);
        return false;
      }
      if (to === null) meeting.sendChat(trimmed);
      else meeting.sendChat(trimmed, to);
      return true;
    },
  };
}

export type ChatPart = { readonly kind: "text"; readonly text: string } | { readonly kind: "link"; readonly text: string; readonly href: string };

/** Splits a message into text and web links; nothing in it is ever read as markup. */
export function chatParts(text: string): readonly ChatPart[] {
  const parts: ChatPart[] = [];
  let end = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"']+/gi)) {
    const link = match[0].replace(/[.,;:!?)\]}]+$/, "");
    if (!URL.canParse(link)) continue;
    if (match.index > end) parts.push({ kind: "text", text: text.slice(end, match.index) });
    parts.push({ kind: "link", text: link, href: link });
    end = match.index + link.length;
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
  return parts;
}
