/** The Jingle session with the focus: media to and from the bridge, and the channel beside it. */

import type { Environment } from "../clock";
import type { ClientConfig } from "../config";
import { Emitter, Signal, type Events, type Readable } from "../reactive";
import type { MediaConnection } from "../media/connection";
import type { BridgeMessage, ClientMessage } from "../protocol/bridge-channel";
import { descriptionElements, jingleElement, reasonElement, sourceContents, type Jingle } from "../protocol/jingle";
import { NS } from "../protocol/ns";
import type { SourceSet } from "../protocol/sources";
import { xml } from "../protocol/xml";
import type { IqReply, XmppSession } from "../xmpp/session";
import { chooseWebSocket, DataChannel, WebSocketChannel, type BridgeChannel } from "./bridge-channel";
import { SourceMap } from "./source-map";

export type Link = Pick<XmppSession, "jid" | "request" | "send">;
export type JingleOf<Action extends Jingle["action"]> = Extract<Jingle, { readonly action: Action }>;
export type SessionInitiate = Extract<Jingle, { readonly bundle: readonly string[] }>;

export const UNKNOWN_SESSION: IqReply = {
  kind: "error",
  type: "cancel",
  condition: "item-not-found",
  detail: xml("unknown-session", NS.jingleErrors),
};
const ACKNOWLEDGED: IqReply = { kind: "result" };

/** Browsers take some 15 s to call a path failed; a bridge that died is replaced sooner than that. */
export const DISCONNECTED_MS_MAX = 3_000;

export interface BridgeSessionOptions {
  readonly offer: SessionInitiate;
  /** The focus' address in the room. */
  readonly focus: string;
  readonly link: Link;
  readonly config: ClientConfig;
  readonly environment: Environment;
  readonly connection: MediaConnection;
}

export type BridgeSessionState =
  | { readonly kind: "connecting" }
  | { readonly kind: "connected" }
  /** The path broke; a new offer has been asked for. */
  | { readonly kind: "failed" }
  | { readonly kind: "ended"; readonly reason: string | null };

export class BridgeSession {
  readonly sid: string;
  readonly sources = new SourceMap();
  readonly connection: MediaConnection;
  readonly state: Readable<BridgeSessionState>;
  /** The map or the tracks changed. */
  readonly changed: Events<void>;
  readonly messages: Events<BridgeMessage>;
  readonly channelOpen: Readable<boolean>;
  readonly #options: BridgeSessionOptions;
  readonly #state = new Signal<BridgeSessionState>({ kind: "connecting" });
  readonly #changed = new Emitter<void>();
  readonly #messages = new Emitter<BridgeMessage>();
  readonly #channelOpen = new Signal(false);
  #channel: BridgeChannel | null = null;
  #cancelPatience: (() => void) | null = null;

  constructor(options: BridgeSessionOptions) {
    this.sid = options.offer.sid;
    this.connection = options.connection;
    this.#options = options;
    this.state = this.#state;
    this.changed = this.#changed;
    this.messages = this.#messages;
    this.channelOpen = this.#channelOpen;
    this.connection.remoteTracks.subscribe(() => {
      this.#changed.emit();
    });
    this.connection.state.subscribe((state) => {
      if (this.#ended) return;
      this.#cancelPatience?.();
      if (state === "connected") this.#state.set({ kind: "connected" });
      if (state === "failed") this.#askForRestart();
      if (state === "disconnected") {
        this.#cancelPatience = options.environment.clock.after(DISCONNECTED_MS_MAX, () => {
          if (!this.#ended && this.connection.state.get() === "disconnected") this.#askForRestart();
        });
      }
    });
  }

  get #ended(): boolean {
    const { kind } = this.#state.get();
    return kind === "ended" || kind === "failed";
  }

  /** Answers the offer. Rejects when the browser can't take it or the focus refuses the answer. */
  async accept(): Promise<void> {
    const { offer, link, focus } = this.#options;
    this.sources.add(offer.sources);
    const url = this.#webSocketUrl;
    // Beside a WebSocket nothing needs the data channel: its content is not taken.
    const contents = url === null ? offer.contents : offer.contents.filter((content) => content.description !== null);
    const description = await this.connection.acceptOffer({ contents, sources: offer.sources });
    if (this.#ended) return;
    this.#openChannel(url);
    const accept = jingleElement("session-accept", this.#header, ...descriptionElements(description, "responder"), offer.traceParent);
    await Promise.all([link.request("set", focus, accept), this.#receive()]);
  }

  /** For each later action of the same session. */
  handle(jingle: Jingle): IqReply {
    if (jingle.sid !== this.sid) return UNKNOWN_SESSION;
    switch (jingle.action) {
      case "source-add":
        this.sources.add(jingle.sources);
        void this.#receive();
        return ACKNOWLEDGED;
      case "source-remove":
        this.sources.remove(jingle.sources);
        void this.#receive();
        return ACKNOWLEDGED;
      case "transport-info":
        this.connection.addCandidates(jingle.contents.flatMap((content) => content.transport?.candidates ?? []));
        return ACKNOWLEDGED;
      case "session-terminate":
        this.close();
        this.#state.set({ kind: "ended", reason: jingle.reason });
        return ACKNOWLEDGED;
      case "session-initiate":
      case "session-accept":
      case "content-modify":
      case "session-info":
      case "other":
        return ACKNOWLEDGED;
    }
  }

  send(message: ClientMessage): boolean {
    return this.#channel?.send(message) ?? false;
  }

  /** Rejects with the focus' `StanzaError`, for example when there are too many senders. */
  async signalSources(action: "source-add" | "source-remove", sources: SourceSet): Promise<void> {
    if (sources.sources.length === 0 || this.#ended) return;
    await this.#options.link.request("set", this.#options.focus, jingleElement(action, this.#header, ...sourceContents(sources)));
  }

  /** Gives this session up and asks the focus for another. */
  restart(): void {
    if (!this.#ended) this.#askForRestart();
  }

  /** Leaves without a word: the room's presence says it, or a new session takes over. */
  close(): void {
    this.#cancelPatience?.();
    this.#channel?.close();
    this.#channel = null;
    this.#channelOpen.set(false);
    this.connection.close();
    if (!this.#ended) this.#state.set({ kind: "ended", reason: null });
  }

  get #header(): { sid: string; initiator: string; responder: string } {
    // COMPAT(lib-jitsi-meet): the initiator is named by the room address, whatever the offer said.
    return { sid: this.sid, initiator: this.#options.focus, responder: this.#options.link.jid };
  }

  get #webSocketUrl(): string | null {
    const { offer, config } = this.#options;
    const transports = offer.contents.flatMap((content) => content.transport ?? []);
    return chooseWebSocket({
      webSockets: transports.flatMap((transport) => transport.webSockets),
      sctp: transports.some((transport) => transport.sctpPort !== null),
      preferSctp: config.preferSctp,
      ignoreDomain: config.bridgeChannelIgnoreDomain,
    });
  }

  #openChannel(url: string | null): void {
    const { environment } = this.#options;
    const { dataChannel } = this.connection;
    const channel = url !== null ? new WebSocketChannel(url, environment) : dataChannel === null ? null : new DataChannel(dataChannel);
    if (channel === null) return;
    this.#channel = channel;
    channel.messages.subscribe((message) => {
      this.#onMessage(message);
    });
    channel.open.subscribe((open) => {
      this.#channelOpen.set(open);
    });
    this.#channelOpen.set(channel.open.get());
  }

  #onMessage(message: BridgeMessage): void {
    switch (message.colibriClass) {
      case "VideoSourcesMap":
        this.sources.mapVideo(message.mappedSources);
        void this.#receive();
        break;
      case "AudioSourcesMap":
        this.sources.mapAudio(message.mappedSources);
        void this.#receive();
        break;
      case "SenderSourceConstraints":
        this.connection.setMaxHeight(message.sourceName.endsWith("-v0") ? "camera" : "screen", message.maxHeight);
        break;
      case "ServerHello":
      case "ForwardedSources":
      case "DominantSpeakerEndpointChangeEvent":
      case "EndpointConnectivityStatusChangeEvent":
      case "ConnectionStats":
      case "EndpointStats":
      case "EndpointMessage":
      case "unknown":
        break;
    }
    this.#messages.emit(message);
  }

  async #receive(): Promise<void> {
    try {
      await this.connection.setReceived(this.sources.all);
    } catch (error) {
      if (!this.#ended) {
        console.error("sources could not be received", error);
        this.#askForRestart();
      }
    }
    this.#changed.emit();
  }

  #askForRestart(): void {
    const { link, focus, offer } = this.#options;
    const request = jingleElement(
      "session-terminate",
      this.#header,
      reasonElement("connectivity-error", "ICE FAILED"),
      xml("bridge-session", NS.jitsiFocus, { id: offer.bridgeSession?.id ?? null, restart: "true" }),
    );
    this.close();
    this.#state.set({ kind: "failed" });
    link.request("set", focus, request).catch((error: unknown) => {
      // The focus may have ended this session itself; its next offer is what counts.
      console.debug("restart not acknowledged", error);
    });
  }
}

