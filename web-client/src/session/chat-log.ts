/** What was said, bounded, in order. */

import { Signal, type Readable } from "../reactive";
import { resourceOf } from "../protocol/jid";
import type { ChatStanza } from "../protocol/room";
import type { ChatMessage } from "./meeting";

/** Older messages are forgotten. */
export const CHAT_MESSAGES_MAX = 1_000;

export class ChatLog {
  readonly messages: Readable<readonly ChatMessage[]>;
  readonly #messages = new Signal<readonly ChatMessage[]>([]);

  constructor() {
    this.messages = this.#messages;
  }

  /** Ours, shown at once; the room's echo confirms it. */
  addOwn(message: Omit<ChatMessage, "mine" | "fromHistory" | "failed">): void {
    this.#append({ ...message, mine: true, fromHistory: false, failed: false });
  }

  receive(chat: ChatStanza, context: { readonly ownNick: string; readonly now: number; readonly nameOf: (nick: string) => string | null }): void {
    const known = chat.id === null ? undefined : this.#messages.get().find((message) => message.id === chat.id);
    // Refused by the room itself or, if private, by the other.
    if (chat.type === "error") {
      if (known?.mine === true) this.#replace({ ...known, failed: true });
      return;
    }
    const nick = resourceOf(chat.from);
    if (nick === null) return;
    const mine = nick === context.ownNick;
    if (known !== undefined && known.from === nick) return;
    this.#append({
      id: chat.id ?? `${nick}-${chat.delayedAt ?? context.now}-${this.#messages.get().length}`,
      from: nick,
      displayName: context.nameOf(nick) ?? chat.displayName ?? "",
      mine,
      privateWith: chat.type === "chat" ? nick : null,
      text: chat.text,
      sentAt: chat.delayedAt ?? context.now,
      fromHistory: chat.delayedAt !== null,
      failed: false,
    });
  }

  #append(message: ChatMessage): void {
    this.#messages.update((messages) => [...messages, message].slice(-CHAT_MESSAGES_MAX));
  }

  #replace(message: ChatMessage): void {
    this.#messages.update((messages) => messages.map((other) => (other.id === message.id ? message : other)));
  }
}
