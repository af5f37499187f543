/**
 * Where media goes: through the bridge, or straight to the only other participant. Both may be connected at a time; one is
 * heard and seen. Leaving the direct way, the bridge is given our media first and the direct session ends a moment later,
 * so that nobody goes silent in between.
 */

import { randomHex, type Environment } from "../clock";
import type { ClientConfig, VideoCodec } from "../config";
import { Emitter, Signal, type Events, type Readable } from "../reactive";
import type { MediaConnection, MediaConnectionOptions, Slot } from "../media/connection";
import { OWN_MICROPHONE } from "../media/connection";
import type { Capabilities } from "../media/capabilities";
import type { BridgeMessage, ClientMessage } from "../protocol/bridge-channel";
import type { IceServer } from "../protocol/disco";
import { resourceOf } from "../protocol/jid";
import { jingleElement, reasonElement, type Jingle } from "../protocol/jingle";
import type { IqReply } from "../xmpp/session";
import { BridgeSession, UNKNOWN_SESSION, type Link, type SessionInitiate } from "./bridge-session";
import type { MediaPath, ViewRequest } from "./meeting";
import { PeerSession } from "./peer-session";
import { CONSTRAINTS_INTERVAL_MS, heightClass, receiverConstraints, Throttle } from "./receive-plan";
import type { MappedSource, SourceMap } from "./source-map";

export type MakeConnection = (options: MediaConnectionOptions) => MediaConnection;

export interface MediaPlaneOptions {
  readonly endpointId: string;
  readonly link: Link;
  readonly focus: string;
  readonly config: ClientConfig;
  readonly environment: Environment;
  readonly capabilities: Capabilities;
  readonly makeConnection: MakeConnection;
  readonly iceServers: () => readonly IceServer[];
  readonly roomAddress: (nick: string) => string;
}

export interface PlayedSource {
  readonly source: MappedSource;
  readonly stream: MediaStream;
}

/** How long both ways carry our media when leaving the direct one. */
export const HANDOVER_MS = 800;
/** Another offer is asked for this long after one that could not be taken, longer each time. */
export const RESTART_PAUSE_MS = 2_000;
export const FAILED_OFFERS_MAX = 3;

export class MediaPlane {
  readonly path: Readable<MediaPath>;
  /** Sources or their streams changed. */
  readonly changed: Events<void>;
  readonly messages: Events<BridgeMessage>;
  /** The channel to the bridge opened (again). */
  readonly channelOpened: Events<void>;
  readonly #options: MediaPlaneOptions;
  readonly #path = new Signal<MediaPath>("none");
  readonly #changed = new Emitter<void>();
  readonly #messages = new Emitter<BridgeMessage>();
  readonly #channelOpened = new Emitter<void>();
  readonly #tracks = new Map<Slot, MediaStreamTrack>();
  readonly #streams = new Map<MediaStreamTrack, MediaStream>();
  readonly #throttle: Throttle;
  #view: ViewRequest | null = null;
  #bridge: BridgeSession | null = null;
  #peer: PeerSession | null = null;
  #others: readonly string[] = [];
  #hadThird = false;
  #failedPeer: string | null = null;
  #cancelPeerStart: (() => void) | null = null;
  #cancelHandover: (() => void) | null = null;
  #failedOffers = 0;
  #closed = false;

  constructor(options: MediaPlaneOptions) {
    this.#options = options;
    this.path = this.#path;
    this.changed = this.#changed;
    this.messages = this.#messages;
    this.channelOpened = this.#channelOpened;
    this.#throttle = new Throttle(options.environment.clock, CONSTRAINTS_INTERVAL_MS, () => {
      this.#sendView();
    });
  }

  /** What is to be seen and heard now. */
  get played(): readonly PlayedSource[] {
    const active = this.#active;
    if (active === null) return [];
    const tracks = active.connection.remoteTracks.get();
    return active.sources.all.flatMap((source) => {
      const track = tracks.get(source.ssrc);
      return track === undefined ? [] : [{ source, stream: this.#streamOf(track) }];
    });
  }

  /** An offer from the focus, new or in place of the one before. */
  onBridgeOffer(offer: SessionInitiate): IqReply {
    if (this.#closed) return UNKNOWN_SESSION;
    const screen = this.#tracks.get("screen") ?? null;
    this.#bridge?.close();
    const connection = this.#connect("bridge", this.#options.config.codecPreference);
    const bridge = new BridgeSession({
      offer,
      focus: this.#options.focus,
      link: this.#options.link,
      config: this.#options.config,
      environment: this.#options.environment,
      connection,
    });
    this.#bridge = bridge;
    bridge.changed.subscribe(() => {
      this.#changed.emit();
    });
    bridge.messages.subscribe((message) => {
      this.#messages.emit(message);
    });
    bridge.channelOpen.subscribe((open) => {
      if (!open || this.#bridge !== bridge) return;
      this.#sendView();
      this.#announceVideoTypes();
      this.#channelOpened.emit();
    });
    bridge.state.subscribe((state) => {
      if (state.kind === "ended" && this.#bridge === bridge) this.#bridge = null;
      this.#choosePath();
    });
    void connection.setSending(this.#sendsToBridge);
    void this.#accept(bridge, screen !== null);
    return { kind: "result" };
  }

  onBridgeJingle(jingle: Jingle): IqReply {
    return this.#bridge?.handle(jingle) ?? UNKNOWN_SESSION;
  }

  /** An offer or a later action from another participant. */
  onPeerJingle(from: string, nick: string, jingle: Jingle): IqReply {
    if (jingle.action !== "session-initiate") {
      return this.#peer !== null && this.#peer.peer === from ? this.#peer.handle(jingle) : UNKNOWN_SESSION;
    }
    const named = jingle.contents.every((content) => /^\d+$/.test(content.name));
    const wanted = this.#eligible === nick && named && nick < this.#options.endpointId;
    if (!wanted) {
      this.#decline(from, jingle, this.#peer === null ? "decline" : "busy");
      return { kind: "result" };
    }
    this.#dropPeer();
    const peer = this.#makePeer(from, jingle.sid, false);
    void peer.accept(jingle);
    return { kind: "result" };
  }

  /** Nicknames of everybody else who sends and receives media. */
  setOthers(others: readonly string[]): void {
    this.#others = others;
    if (others.length > 1) this.#hadThird = true;
    if (this.#failedPeer !== null && !others.includes(this.#failedPeer)) this.#failedPeer = null;
    const eligible = this.#eligible;
    const peerNick = this.#peer === null ? null : resourceOf(this.#peer.peer);
    if (this.#peer !== null && peerNick !== eligible) {
      if (peerNick !== null && others.includes(peerNick)) this.#handOver();
      else this.#dropPeer();
    }
    this.#cancelPeerStart?.();
    this.#cancelPeerStart = null;
    if (eligible === null || this.#peer !== null || eligible <= this.#options.endpointId) return;
    const delayMs = this.#hadThird ? this.#options.config.p2p.backToP2pDelayMs : 0;
    this.#cancelPeerStart = this.#options.environment.clock.after(delayMs, () => {
      if (this.#eligible !== eligible || this.#peer !== null || this.#closed) return;
      const peer = this.#makePeer(this.#options.roomAddress(eligible), randomHex(this.#options.environment.random, 12), true);
      void peer.initiate();
    });
  }

  async setTrack(slot: Slot, track: MediaStreamTrack | null): Promise<void> {
    if (track === null) this.#tracks.delete(slot);
    else this.#tracks.set(slot, track);
    const connections = [this.#bridge?.connection, this.#peer?.connection].filter((connection) => connection !== undefined);
    await Promise.all(connections.map((connection) => connection.setTrack(slot, track)));
  }

  /** Signals the screen's source to everybody we are connected to, or takes it back. Rejects when the focus refuses. */
  async setScreen(track: MediaStreamTrack | null): Promise<void> {
    await this.setTrack("screen", track);
    for (const session of [this.#peer, this.#bridge]) {
      if (session === null) continue;
      if (track !== null) {
        const sources = await session.connection.openScreen();
        await session.signalSources("source-add", sources);
      } else {
        await session.signalSources("source-remove", session.connection.screenSources);
      }
    }
    this.#announceVideoTypes();
  }

  setView(view: ViewRequest): void {
    this.#view = view;
    this.#throttle.request();
  }

  send(message: ClientMessage): boolean {
    return this.#bridge?.send(message) ?? false;
  }

  /** By source name; under `""` our own microphone. */
  async audioLevels(): Promise<ReadonlyMap<string, number>> {
    const active = this.#active;
    const levels = new Map<string, number>();
    if (active === null) return levels;
    const names = new Map(active.sources.all.map((source) => [source.ssrc, source.name]));
    for (const [ssrc, level] of await active.connection.audioLevels()) {
      const name = ssrc === OWN_MICROPHONE ? "" : names.get(ssrc);
      if (name !== undefined) levels.set(name, level);
    }
    return levels;
  }

  getStats(): Promise<RTCStatsReport | null> {
    return this.#active?.connection.getStats() ?? Promise.resolve(null);
  }

  /** The focus has gone; what is direct goes on. */
  dropBridge(): void {
    const bridge = this.#bridge;
    this.#bridge = null;
    bridge?.close();
    this.#choosePath();
  }

  close(): void {
    this.#closed = true;
    this.#cancelPeerStart?.();
    this.#cancelHandover?.();
    this.#throttle.stop();
    if (this.#peer !== null) this.#peer.end("success", "leaving");
    this.#peer = null;
    this.#bridge?.close();
    this.#bridge = null;
    this.#streams.clear();
    this.#path.set("none");
  }

  /** The one we may be connected with directly. */
  get #eligible(): string | null {
    const [only, second] = this.#others;
    if (!this.#options.config.p2p.enabled || only === undefined || second !== undefined || only === this.#failedPeer) return null;
    return only;
  }

  get #active(): { readonly connection: MediaConnection; readonly sources: SourceMap } | null {
    return this.#path.get() === "direct" ? this.#peer : this.#bridge;
  }

  get #sendsToBridge(): boolean {
    return this.#path.get() !== "direct" || this.#cancelHandover !== null;
  }

  async #accept(bridge: BridgeSession, withScreen: boolean): Promise<void> {
    try {
      await Promise.all([...this.#tracks].map(([slot, track]) => bridge.connection.setTrack(slot, track)));
      await bridge.accept();
      this.#failedOffers = 0;
      if (withScreen) await bridge.signalSources("source-add", await bridge.connection.openScreen());
      this.#announceVideoTypes();
    } catch (error) {
      if (this.#bridge !== bridge || this.#closed) return;
      console.error("the offer of the server could not be accepted", error);
      this.#failedOffers += 1;
      if (this.#failedOffers > FAILED_OFFERS_MAX) return;
      this.#options.environment.clock.after(RESTART_PAUSE_MS * this.#failedOffers, () => {
        if (this.#bridge === bridge) bridge.restart();
      });
    }
  }

  #makePeer(address: string, sid: string, initiating: boolean): PeerSession {
    const connection = this.#connect("peer", this.#options.config.p2pCodecPreference);
    for (const [slot, track] of this.#tracks) void connection.setTrack(slot, track);
    const peer = new PeerSession({
      sid,
      peer: address,
      own: this.#options.roomAddress(this.#options.endpointId),
      initiating,
      link: this.#options.link,
      environment: this.#options.environment,
      connection,
    });
    this.#peer = peer;
    peer.changed.subscribe(() => {
      this.#choosePath();
      this.#changed.emit();
    });
    peer.state.subscribe((state) => {
      if (this.#peer !== peer) return;
      if (state === "connected") {
        if (this.#tracks.has("screen")) void this.#sendScreenTo(peer);
        this.#choosePath();
      }
      if (state === "ended") {
        // Not again with the same one until people come or go.
        if (!this.#closed && this.#path.get() !== "direct") this.#failedPeer = resourceOf(peer.peer);
        this.#peer = null;
        this.#cancelHandover?.();
        this.#cancelHandover = null;
        this.#choosePath();
      }
    });
    return peer;
  }

  async #sendScreenTo(peer: PeerSession): Promise<void> {
    try {
      await peer.signalSources("source-add", await peer.connection.openScreen());
    } catch (error) {
      console.warn("screen could not be offered directly", error);
    }
  }

  #dropPeer(): void {
    const peer = this.#peer;
    this.#peer = null;
    this.#cancelHandover?.();
    this.#cancelHandover = null;
    peer?.end("success", "Turning off P2P session");
    this.#choosePath();
  }

  #handOver(): void {
    if (this.#cancelHandover !== null) return;
    const finish = (): void => {
      this.#cancelHandover = null;
      this.#dropPeer();
    };
    this.#cancelHandover = this.#options.environment.clock.after(HANDOVER_MS, finish);
    void this.#bridge?.connection.setSending(true);
    this.#sendView();
  }

  #choosePath(): void {
    if (this.#closed) return;
    const direct = this.#peer?.state.get() === "connected" && this.#peer.connection.remoteTracks.get().size > 0;
    const path: MediaPath = direct ? "direct" : this.#bridge?.state.get().kind === "connected" ? "server" : "none";
    const before = this.#path.get();
    this.#path.set(path);
    void this.#bridge?.connection.setSending(this.#sendsToBridge);
    if (before !== path) {
      this.#sendView();
      this.#changed.emit();
    }
  }

  #decline(from: string, jingle: Jingle, reason: string): void {
    const { link, environment } = this.#options;
    environment.clock.after(0, () => {
      link.request("set", from, jingleElement("session-terminate", { sid: jingle.sid, initiator: jingle.initiator ?? from }, reasonElement(reason))).catch((error: unknown) => {
        console.debug("decline not taken", error);
      });
    });
  }

  #connect(farSide: "bridge" | "peer", codecPreference: readonly VideoCodec[]): MediaConnection {
    const { config } = this.#options;
    const servers = this.#options.iceServers();
    return this.#options.makeConnection({
      endpointId: this.#options.endpointId,
      farSide,
      // The bridge has a public address; only a firewall that lets nothing but TCP out needs a relay to it.
      iceServers:
        farSide === "bridge"
          ? servers.filter((server) => server.urls.startsWith("turn") && server.urls.includes("transport=tcp"))
          : [...servers, ...config.p2p.stunServers.map((urls) => ({ urls }))],
      iceTransportPolicy: farSide === "bridge" ? config.iceTransportPolicy : config.p2p.iceTransportPolicy,
      codecPreference,
      capabilities: this.#options.capabilities,
      random: this.#options.environment.random,
    });
  }

  #sendView(): void {
    this.#bridge?.send(receiverConstraints(this.#view, this.#options.config.lastN));
    if (this.#peer === null || this.#view === null) return;
    const shown = [...this.#view.stage, ...this.#view.tiles];
    const heights = this.#peer.sources.all
      .filter((source) => source.kind === "video")
      .map((source) => ({ name: source.name, heightPx: Math.max(0, ...shown.filter((view) => view.name === source.name).map((view) => heightClass(view.heightPx))) }));
    if (heights.length > 0) this.#peer.requestHeights(heights);
  }

  #announceVideoTypes(): void {
    const id = this.#options.endpointId;
    this.#bridge?.send({ colibriClass: "SourceVideoTypeMessage", sourceName: `${id}-v0`, videoType: "camera" });
    if (this.#tracks.has("screen")) this.#bridge?.send({ colibriClass: "SourceVideoTypeMessage", sourceName: `${id}-v1`, videoType: "desktop" });
  }

  #streamOf(track: MediaStreamTrack): MediaStream {
    const known = this.#streams.get(track);
    if (known !== undefined) return known;
    const stream = new MediaStream([track]);
    this.#streams.set(track, stream);
    return stream;
  }
}
