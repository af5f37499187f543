/** The channel to the bridge: a WebSocket that comes back by itself, or the peer connection's data channel. */

import type { Environment } from "../clock";
import { Emitter, Signal, type Events, type Readable } from "../reactive";
import { parseBridgeMessage, type BridgeMessage, type ClientMessage } from "../protocol/bridge-channel";

export const CHANNEL_RETRY_FIRST_MS = 1_000;
export const CHANNEL_RETRY_MAX_MS = 60_000;

export interface BridgeChannel {
  readonly open: Readable<boolean>;
  readonly messages: Events<BridgeMessage>;
  /** False when the channel isn't open; what must not be lost is sent again on `open`. */
  send(message: ClientMessage): boolean;
  close(): void;
}

export interface ChannelChoice {
  readonly webSockets: readonly string[];
  readonly sctp: boolean;
  readonly preferSctp: boolean;
  readonly ignoreDomain: string | null;
}

/** The WebSocket to use; null: the data channel if there is one. */
export function chooseWebSocket(choice: ChannelChoice): string | null {
  if (choice.sctp && choice.preferSctp) return null;
  return choice.webSockets.find((url) => choice.ignoreDomain === null || hostnameOf(url) !== choice.ignoreDomain) ?? null;
}

function hostnameOf(url: string): string | null {
  try {
    return new URL(url).hostname;
  } catch {
    return null;
  }
}

abstract class Channel implements BridgeChannel {
  readonly open: Readable<boolean>;
  readonly messages: Events<BridgeMessage>;
  protected readonly isOpen = new Signal(false);
  readonly #messages = new Emitter<BridgeMessage>();

  constructor() {
    this.open = this.isOpen;
    this.messages = this.#messages;
  }

  abstract send(message: ClientMessage): boolean;
  abstract close(): void;

  protected receive(data: unknown): void {
    const message = typeof data === "string" ? parseBridgeMessage(data) : null;
    if (message === null) console.debug("bridge message not understood");
    else this.#messages.emit(message);
  }
}

export class WebSocketChannel extends Channel {
  readonly #url: string;
  readonly #environment: Environment;
  #socket: WebSocket | null = null;
  #attempts = 0;
  #cancelRetry: (() => void) | null = null;
  #closed = false;

  constructor(url: string, environment: Environment) {
    super();
    this.#url = url;
    this.#environment = environment;
    this.#connect();
  }

  send(message: ClientMessage): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onclose = null;
      socket.onmessage = null;
      socket.close();
    }
    this.isOpen.set(false);
  }

  #connect(): void {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#attempts = 0;
      this.isOpen.set(true);
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      this.receive(event.data);
    };
    socket.onclose = () => {
      this.isOpen.set(false);
      if (this.#closed) return;
      const delay = Math.min(CHANNEL_RETRY_MAX_MS, CHANNEL_RETRY_FIRST_MS * 2 ** this.#attempts);
      this.#attempts += 1;
      this.#cancelRetry = this.#environment.clock.after(delay * (0.75 + this.#environment.random() / 2), () => {
        this.#connect();
      });
    };
  }
}

export class DataChannel extends Channel {
  readonly #channel: RTCDataChannel;

  constructor(channel: RTCDataChannel) {
    super();
    this.#channel = channel;
    channel.onopen = () => {
      this.isOpen.set(true);
    };
    channel.onclose = () => {
      this.isOpen.set(false);
    };
    channel.onmessage = (event: MessageEvent<unknown>) => {
      this.receive(event.data);
    };
    if (channel.readyState === "open") this.isOpen.set(true);
  }

  send(message: ClientMessage): boolean {
    if (this.#channel.readyState !== "open") return false;
    this.#channel.send(JSON.stringify(message));
    return true;
  }

  close(): void {
    this.#channel.onclose = null;
    this.#channel.onmessage = null;
    this.#channel.close();
    this.isOpen.set(false);
  }
}
