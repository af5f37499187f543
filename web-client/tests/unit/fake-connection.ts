/** Stands in for the browser's peer connection: remembers what was asked of it, and is connected when the test says so. */

import { Emitter, Signal } from "../../src/reactive";
import type { ConnectionState, MediaConnection, MediaConnectionOptions, ReceivedSource, Slot } from "../../src/media/connection";
import type { IceCandidate, SessionDescription } from "../../src/protocol/jingle";
import type { SourceSet } from "../../src/protocol/sources";

const TRANSPORT = {
  ufrag: "u",
  pwd: "p",
  fingerprint: { hash: "sha-256", setup: "active", value: "AA" },
  candidates: [],
  webSockets: [],
  sctpPort: null,
  iceGeneration: null,
};

export class FakeConnection implements MediaConnection {
  readonly state = new Signal<ConnectionState>("new");
  readonly candidates = new Emitter<IceCandidate>();
  readonly remoteTracks = new Signal<ReadonlyMap<number, MediaStreamTrack>>(new Map());
  readonly dataChannel = null;
  readonly tracks = new Map<Slot, MediaStreamTrack>();
  readonly heights = new Map<string, number>();
  received: readonly ReceivedSource[] = [];
  sending = true;
  closed = false;
  screenSources: SourceSet = { sources: [], groups: [] };

  constructor(readonly options: MediaConnectionOptions) {}

  acceptOffer(): Promise<SessionDescription> {
    return Promise.resolve(this.#description());
  }

  createOffer(): Promise<SessionDescription> {
    return Promise.resolve(this.#description());
  }

  acceptAnswer(): Promise<void> {
    return Promise.resolve();
  }

  addCandidates(): void {
    // Nothing to try.
  }

  setReceived(sources: readonly ReceivedSource[]): Promise<void> {
    this.received = sources;
    this.remoteTracks.set(new Map(sources.map((source) => [source.ssrc, { id: `t${source.ssrc}`, kind: source.kind } as MediaStreamTrack])));
    return Promise.resolve();
  }

  setTrack(slot: Slot, track: MediaStreamTrack | null): Promise<void> {
    if (track === null) this.tracks.delete(slot);
    else this.tracks.set(slot, track);
    return Promise.resolve();
  }

  openScreen(): Promise<SourceSet> {
    this.screenSources = {
      sources: [{ ssrc: 77, kind: "video", name: `${this.options.endpointId}-v1`, owner: this.options.endpointId, msid: null, videoType: "desktop" }],
      groups: [],
    };
    return Promise.resolve(this.screenSources);
  }

  setMaxHeight(slot: string, heightPx: number): void {
    this.heights.set(slot, heightPx);
  }

  setSending(on: boolean): Promise<void> {
    this.sending = on;
    return Promise.resolve();
  }

  audioLevels(): Promise<ReadonlyMap<number, number>> {
    return Promise.resolve(new Map());
  }

  getStats(): Promise<RTCStatsReport> {
    return Promise.resolve(new Map() as unknown as RTCStatsReport);
  }

  close(): void {
    this.closed = true;
    this.state.set("closed");
  }

  #description(): SessionDescription {
    const id = this.options.endpointId;
    const rtp = (media: "audio" | "video") => ({ media, payloadTypes: [], headerExtensions: [], extmapAllowMixed: false });
    return {
      contents: [
        { name: "audio", senders: "both", description: rtp("audio"), transport: TRANSPORT, frameHeights: [] },
        { name: "video", senders: "both", description: rtp("video"), transport: TRANSPORT, frameHeights: [] },
      ],
      sources: {
        sources: [
          { ssrc: 11, kind: "audio", name: `${id}-a0`, owner: id, msid: null, videoType: null },
          { ssrc: 12, kind: "video", name: `${id}-v0`, owner: id, msid: null, videoType: "camera" },
        ],
        groups: [],
      },
    };
  }
}
