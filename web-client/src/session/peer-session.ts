/** The direct session between two participants: Jingle from one to the other through the room, media without the bridge. */

import type { Environment } from "../clock";
import { Emitter, Signal, type Events, type Readable } from "../reactive";
import type { MediaConnection } from "../media/connection";
import { descriptionElements, jingleElement, reasonElement, sourceContents, transportElement, type IceCandidate, type Jingle, type JingleHeader } from "../protocol/jingle";
import { NS } from "../protocol/ns";
import type { SourceSet } from "../protocol/sources";
import { xml } from "../protocol/xml";
import type { IqReply } from "../xmpp/session";
import { UNKNOWN_SESSION, type Link, type SessionInitiate } from "./bridge-session";
import { SourceMap } from "./source-map";

/** Candidates are sent in drips. */
export const CANDIDATE_DRIP_MS = 150;
/** Without a connection by then, the bridge stays in use. */
export const PEER_CONNECT_TIMEOUT_MS = 15_000;

export type PeerState = "connecting" | "connected" | "ended";

export interface PeerSessionOptions {
  readonly sid: string;
  /** The other's address in the room. */
  readonly peer: string;
  /** Our own address in the room. */
  readonly own: string;
  readonly initiating: boolean;
  readonly link: Link;
  readonly environment: Environment;
  readonly connection: MediaConnection;
}

export class PeerSession {
  readonly sid: string;
  readonly peer: string;
  readonly initiating: boolean;
  readonly connection: MediaConnection;
  readonly sources = new SourceMap();
  readonly state: Readable<PeerState>;
  readonly changed: Events<void>;
  readonly #options: PeerSessionOptions;
  readonly #state = new Signal<PeerState>("connecting");
  readonly #changed = new Emitter<void>();
  #candidates: IceCandidate[] = [];
  #cancelDrip: (() => void) | null = null;
  #credentials: { readonly ufrag: string | null; readonly pwd: string | null } = { ufrag: null, pwd: null };
  #described = false;
  readonly #cancelTimeout: () => void;

  constructor(options: PeerSessionOptions) {
    this.sid = options.sid;
    this.peer = options.peer;
    this.initiating = options.initiating;
    this.connection = options.connection;
    this.#options = options;
    this.state = this.#state;
    this.changed = this.#changed;
    this.connection.remoteTracks.subscribe(() => {
      this.#changed.emit();
    });
    this.connection.candidates.subscribe((candidate) => {
      this.#candidates.push(candidate);
      this.#scheduleDrip();
    });
    this.#cancelTimeout = options.environment.clock.after(PEER_CONNECT_TIMEOUT_MS, () => {
      if (this.#state.get() === "connecting") this.end("connectivity-error", "ICE FAILED");
    });
    this.connection.state.subscribe((state) => {
      if (this.#state.get() === "ended") return;
      if (state === "connected") this.#state.set("connected");
      if (state === "failed") this.end("connectivity-error", "ICE FAILED");
    });
  }

  /** Sends our offer; ends the session when the other doesn't take it. */
  async initiate(): Promise<void> {
    await this.#orEnd(async () => {
      const description = await this.connection.createOffer();
      this.#rememberCredentials(description.contents[0]?.transport ?? null);
      await this.#send(jingleElement("session-initiate", this.#header, ...descriptionElements(description, "initiator")));
      this.#described = true;
      this.#scheduleDrip();
    });
  }

  async accept(offer: SessionInitiate): Promise<void> {
    await this.#orEnd(async () => {
      this.sources.add(offer.sources);
      const description = await this.connection.acceptOffer({ contents: offer.contents, sources: offer.sources });
      this.#takeCandidates(offer);
      this.#rememberCredentials(description.contents[0]?.transport ?? null);
      await this.#send(jingleElement("session-accept", this.#header, ...descriptionElements(description, "responder")));
      this.#described = true;
      this.#scheduleDrip();
      await this.connection.setReceived(this.sources.all);
    });
  }

  handle(jingle: Jingle): IqReply {
    if (jingle.sid !== this.sid || this.#state.get() === "ended") return UNKNOWN_SESSION;
    switch (jingle.action) {
      case "session-accept":
        if (!this.initiating) return { kind: "error", type: "cancel", condition: "bad-request" };
        void this.#orEnd(async () => {
          this.sources.add(jingle.sources);
          await this.connection.acceptAnswer({ contents: jingle.contents, sources: jingle.sources });
          this.#takeCandidates(jingle);
          await this.connection.setReceived(this.sources.all);
        });
        return { kind: "result" };
      case "transport-info":
        this.connection.addCandidates(jingle.contents.flatMap((content) => content.transport?.candidates ?? []));
        return { kind: "result" };
      case "source-add":
      case "source-remove":
        if (jingle.action === "source-add") this.sources.add(jingle.sources);
        else this.sources.remove(jingle.sources);
        void this.#orEnd(async () => {
          await this.connection.setReceived(this.sources.all);
          this.#changed.emit();
        });
        return { kind: "result" };
      case "content-modify":
        for (const height of jingle.contents.flatMap((content) => content.frameHeights)) {
          this.connection.setMaxHeight(height.sourceName.endsWith("-v0") ? "camera" : "screen", height.maxHeight);
        }
        return { kind: "result" };
      case "session-terminate":
        this.#close();
        return { kind: "result" };
      case "session-initiate":
      case "session-info":
      case "other":
        return { kind: "result" };
    }
  }

  /** What of the other's pictures is shown, and how high. */
  requestHeights(heights: readonly { readonly name: string; readonly heightPx: number }[]): void {
    if (this.#state.get() !== "connected") return;
    const content = xml(
      "content",
      NS.jingle,
      // COMPAT(lib-jitsi-meet): here the content has the name of its medium, elsewhere that of its m-line.
      { name: "video", senders: "both" },
      ...heights.map((height) => xml("source-frame-height", NS.jitsiVideo, { sourceName: height.name, maxHeight: height.heightPx })),
    );
    this.#send(jingleElement("content-modify", this.#header, content)).catch((error: unknown) => {
      console.debug("heights not taken", error);
    });
  }

  async signalSources(action: "source-add" | "source-remove", sources: SourceSet): Promise<void> {
    if (sources.sources.length === 0 || this.#state.get() === "ended") return;
    await this.#send(jingleElement(action, this.#header, ...sourceContents(sources)));
  }

  /** Ends it and tells the other; both may do so at once, then each gets `item-not-found`, which is well. */
  end(reason: string, text: string): void {
    if (this.#state.get() === "ended") return;
    const terminate = jingleElement("session-terminate", this.#header, reasonElement(reason, text));
    this.#close();
    this.#send(terminate).catch((error: unknown) => {
      console.debug("direct session was gone already", error);
    });
  }

  #close(): void {
    this.#cancelTimeout();
    this.#cancelDrip?.();
    this.connection.close();
    this.#state.set("ended");
  }

  async #orEnd(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (this.#state.get() === "ended") return;
      console.warn("direct connection failed, staying with the server", error);
      this.end("failed-application", "negotiation failed");
    }
  }

  get #header(): JingleHeader {
    const { initiating, own, peer, link } = this.#options;
    return initiating ? { sid: this.sid, initiator: own } : { sid: this.sid, initiator: peer, responder: link.jid };
  }

  async #send(payload: ReturnType<typeof jingleElement>): Promise<void> {
    await this.#options.link.request("set", this.peer, payload);
  }

  #rememberCredentials(transport: { readonly ufrag: string | null; readonly pwd: string | null } | null): void {
    if (transport !== null) this.#credentials = { ufrag: transport.ufrag, pwd: transport.pwd };
  }

  #takeCandidates(jingle: SessionInitiate): void {
    this.connection.addCandidates(jingle.contents.flatMap((content) => content.transport?.candidates ?? []));
  }

  #scheduleDrip(): void {
    // A candidate must not overtake the description it belongs to.
    if (!this.#described || this.#cancelDrip !== null || this.#candidates.length === 0) return;
    this.#cancelDrip = this.#options.environment.clock.after(CANDIDATE_DRIP_MS, () => {
      this.#cancelDrip = null;
      const candidates = this.#candidates;
      this.#candidates = [];
      const transport = transportElement({ ...this.#credentials, fingerprint: null, candidates, webSockets: [], sctpPort: null, iceGeneration: null });
      const content = xml("content", NS.jingle, { creator: this.initiating ? "initiator" : "responder", name: "0" }, transport);
      this.#send(jingleElement("transport-info", this.#header, content)).catch((error: unknown) => {
        console.debug("candidates not taken", error);
      });
    });
  }
}
