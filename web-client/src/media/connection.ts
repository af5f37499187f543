/**
 * One peer connection: to the bridge, or straight to the other participant. Above it there are sources, tracks and
 * heights; below it, in `sdp/`, descriptions. Negotiation is local but for the first exchange: the far side's description
 * is rewritten and applied as an offer, which the browser answers.
 */

import type { Random } from "../clock";
import type { VideoCodec } from "../config";
import { Emitter, Signal, type Events, type Readable } from "../reactive";
import type { Content, IceCandidate, IceTransport, RtpDescription, SessionDescription } from "../protocol/jingle";
import { ownerOfName, type MediaKind, type Source, type SourceGroup, type SourceSet } from "../protocol/sources";
import type { Capabilities } from "./capabilities";
import { planEncodings, usesSimulcast } from "./encodings";
import { readCandidate, readLocalSdp, type LocalSession } from "./sdp/local";
import { candidateLine, writeRemoteSdp, type RemoteMediaLine, type RemoteSessionModel } from "./sdp/remote";
import { addSimulcastLayers, primariesOf, SIMULCAST_LAYERS } from "./sdp/simulcast";

export type Slot = "microphone" | "camera" | "screen";

/** A source of the far side, as far as receiving needs it. */
export interface ReceivedSource {
  readonly ssrc: number;
  readonly rtx: number | null;
  readonly kind: MediaKind;
}

export type ConnectionState = "new" | "connecting" | "connected" | "disconnected" | "failed" | "closed";

export interface MediaConnectionOptions {
  readonly endpointId: string;
  /** `bridge` sends layers, `peer` one stream. */
  readonly farSide: "bridge" | "peer";
  readonly iceServers: readonly RTCIceServer[];
  readonly iceTransportPolicy: "all" | "relay";
  readonly codecPreference: readonly VideoCodec[];
  readonly capabilities: Capabilities;
  readonly random: Random;
}

/** What the session needs of a peer connection, so that its tests can stand in for the browser. */
export interface MediaConnection {
  readonly state: Readable<ConnectionState>;
  readonly candidates: Events<IceCandidate>;
  /** Live tracks by SSRC. */
  readonly remoteTracks: Readable<ReadonlyMap<number, MediaStreamTrack>>;
  /** Set when the far side takes an SCTP channel. */
  readonly dataChannel: RTCDataChannel | null;
  acceptOffer(offer: SessionDescription): Promise<SessionDescription>;
  createOffer(): Promise<SessionDescription>;
  acceptAnswer(answer: SessionDescription): Promise<void>;
  addCandidates(candidates: readonly IceCandidate[]): void;
  setReceived(sources: readonly ReceivedSource[]): Promise<void>;
  setTrack(slot: Slot, track: MediaStreamTrack | null): Promise<void>;
  /** Makes room for the screen; the answer is its sources, to be signalled. */
  openScreen(): Promise<SourceSet>;
  readonly screenSources: SourceSet;
  setMaxHeight(slot: "camera" | "screen", heightPx: number): void;
  /** Off: nothing is sent, everything stays connected. */
  setSending(on: boolean): Promise<void>;
  /** Loudness 0…1 of received SSRCs and, under 0, of our microphone. */
  audioLevels(): Promise<ReadonlyMap<number, number>>;
  getStats(): Promise<RTCStatsReport>;
  close(): void;
}

const AUDIO_MID = "0";
const VIDEO_MID = "1";
const DATA_MID = "2";
const SIMULCAST_RIDS = ["1", "2", "3"];
/** Stands for our own microphone in `audioLevels`. */
export const OWN_MICROPHONE = 0;
/** Most m-lines; a line whose source has gone is used again before another is added. */
export const MEDIA_LINES_MAX = 512;

export class BrowserMediaConnection implements MediaConnection {
  readonly state: Readable<ConnectionState>;
  readonly candidates: Events<IceCandidate>;
  readonly remoteTracks: Readable<ReadonlyMap<number, MediaStreamTrack>>;
  dataChannel: RTCDataChannel | null = null;
  readonly #state = new Signal<ConnectionState>("new");
  readonly #candidates = new Emitter<IceCandidate>();
  readonly #remoteTracks = new Signal<ReadonlyMap<number, MediaStreamTrack>>(new Map());
  readonly #options: MediaConnectionOptions;
  readonly #pc: RTCPeerConnection;
  readonly #tracks = new Map<Slot, MediaStreamTrack>();
  readonly #maxHeights = { camera: -1, screen: -1 };
  #model: RemoteSessionModel | null = null;
  #local: LocalSession | null = null;
  #screenMid: string | null = null;
  #sending = true;
  #work: Promise<unknown> = Promise.resolve();
  #waitingCandidates: IceCandidate[] = [];

  constructor(options: MediaConnectionOptions) {
    this.state = this.#state;
    this.candidates = this.#candidates;
    this.remoteTracks = this.#remoteTracks;
    this.#options = options;
    this.#pc = new RTCPeerConnection({
      iceServers: [...options.iceServers],
      iceTransportPolicy: options.iceTransportPolicy,
      bundlePolicy: "max-bundle",
      rtcpMuxPolicy: "require",
    });
    this.#pc.onconnectionstatechange = () => {
      this.#state.set(this.#pc.connectionState);
    };
    // COMPAT(chromium): `connectionState` waits for DTLS, which never fails by itself when ICE has.
    this.#pc.oniceconnectionstatechange = () => {
      if (this.#pc.iceConnectionState === "failed") this.#state.set("failed");
    };
    this.#pc.onicecandidate = (event) => {
      const candidate = event.candidate === null ? null : readCandidate(event.candidate.candidate);
      if (candidate !== null) this.#candidates.emit(candidate);
    };
  }

  acceptOffer(offer: SessionDescription): Promise<SessionDescription> {
    return this.#serially(async () => {
      const sctpPort = offer.contents.find((content) => content.transport?.sctpPort != null)?.transport?.sctpPort ?? null;
      this.#model = this.#firstModel("offer", "actpass", offer, sctpPort);
      if (sctpPort !== null && this.dataChannel === null) {
        this.dataChannel = this.#pc.createDataChannel("JVB data channel", { protocol: "http://jitsi.org/protocols/colibri" });
      }
      await this.#answer();
      const mids = new Map(offer.contents.map((content) => [content.description?.media ?? "data", content.name]));
      return this.#describe((kind) => mids.get(kind) ?? kind, sctpPort);
    });
  }

  createOffer(): Promise<SessionDescription> {
    return this.#serially(async () => {
      this.#pc.addTransceiver("audio", { direction: "sendonly" });
      const video = this.#pc.addTransceiver("video", { direction: "sendonly" });
      video.setCodecPreferences(this.#orderedCapabilities());
      await this.#attachTracks();
      await this.#pc.setLocalDescription(await this.#pc.createOffer());
      this.#readLocal();
      return this.#describe((kind) => (kind === "audio" ? AUDIO_MID : VIDEO_MID), null);
    });
  }

  acceptAnswer(answer: SessionDescription): Promise<void> {
    return this.#serially(async () => {
      const setup = answer.contents.find((content) => content.transport?.fingerprint != null)?.transport?.fingerprint?.setup;
      const model = this.#firstModel("answer", setup === "passive" ? "passive" : "active", answer, null);
      await this.#pc.setRemoteDescription({ type: "answer", sdp: writeRemoteSdp(model) });
      this.#model = { ...model, type: "offer", setup: "actpass" };
      await this.#applyEncodings();
      this.#flushCandidates();
    });
  }

  addCandidates(candidates: readonly IceCandidate[]): void {
    this.#waitingCandidates.push(...candidates);
    if (this.#pc.remoteDescription !== null) this.#flushCandidates();
  }

  setReceived(sources: readonly ReceivedSource[]): Promise<void> {
    return this.#serially(async () => {
      const model = this.#model;
      if (model === null || this.#pc.signalingState === "closed") return;
      const lines = receiveOn(model.lines, sources);
      if (lines === model.lines) return;
      this.#model = { ...model, lines };
      await this.#answer();
      this.#publishTracks();
    });
  }

  setTrack(slot: Slot, track: MediaStreamTrack | null): Promise<void> {
    if (track === null) this.#tracks.delete(slot);
    else this.#tracks.set(slot, track);
    return this.#serially(async () => {
      await this.#attachTracks();
      await this.#applyEncodings();
    });
  }

  openScreen(): Promise<SourceSet> {
    return this.#serially(async () => {
      const model = this.#model;
      if (model === null) return { sources: [], groups: [] };
      if (this.#screenMid === null) {
        this.#screenMid = String(model.lines.length);
        this.#model = {
          ...model,
          lines: [...model.lines, { mid: this.#screenMid, kind: "video", direction: "recvonly", ssrcs: [], simulcastRids: [] }],
        };
        await this.#answer();
      }
      return this.screenSources;
    });
  }

  get screenSources(): SourceSet {
    return this.#screenMid === null ? { sources: [], groups: [] } : this.#sourcesOf(this.#screenMid, "video", "v1", "desktop");
  }

  setMaxHeight(slot: "camera" | "screen", heightPx: number): void {
    if (this.#maxHeights[slot] === heightPx) return;
    this.#maxHeights[slot] = heightPx;
    void this.#serially(() => this.#applyEncodings());
  }

  setSending(on: boolean): Promise<void> {
    if (this.#sending === on) return Promise.resolve();
    this.#sending = on;
    return this.#serially(async () => {
      await this.#attachTracks();
      await this.#applyEncodings();
    });
  }

  async audioLevels(): Promise<ReadonlyMap<number, number>> {
    const levels = new Map<number, number>();
    if (this.#pc.signalingState === "closed") return levels;
    for (const transceiver of this.#pc.getTransceivers()) {
      if (transceiver.receiver.track.kind !== "audio") continue;
      const line = this.#model?.lines.find((candidate) => candidate.mid === transceiver.mid);
      const ssrc = line?.ssrcs[0];
      const [newest] = transceiver.receiver.getSynchronizationSources();
      if (ssrc !== undefined && newest?.audioLevel !== undefined) levels.set(ssrc, newest.audioLevel);
    }
    const own = this.#transceiver(AUDIO_MID)?.sender;
    if (own?.track != null) {
      for (const entry of (await own.getStats()).values() as Iterable<{ type: string; audioLevel?: number }>) {
        if (entry.type === "media-source" && entry.audioLevel !== undefined) levels.set(OWN_MICROPHONE, entry.audioLevel);
      }
    }
    return levels;
  }

  getStats(): Promise<RTCStatsReport> {
    return this.#pc.getStats();
  }

  close(): void {
    this.#pc.onconnectionstatechange = null;
    this.#pc.oniceconnectionstatechange = null;
    this.#pc.onicecandidate = null;
    this.dataChannel?.close();
    this.#pc.close();
    this.#remoteTracks.set(new Map());
    this.#state.set("closed");
  }

  /** One negotiation at a time; a failed one does not stop those after it. */
  #serially<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#work.then(action);
    this.#work = result.catch(() => undefined);
    return result;
  }

  #firstModel(type: "offer" | "answer", setup: RemoteSessionModel["setup"], far: SessionDescription, sctpPort: number | null): RemoteSessionModel {
    const transport = far.contents.find((content) => content.transport !== null)?.transport;
    if (transport === null || transport === undefined) throw new Error("description without transport");
    const byCodec = this.#options.farSide === "bridge" || type === "answer";
    const audio = descriptionOf(far.contents, "audio");
    const video = descriptionOf(far.contents, "video");
    const rids = this.#options.farSide === "bridge" && this.#options.capabilities.simulcastBy === "rid" && usesSimulcast(this.#codec) ? SIMULCAST_RIDS : [];
    const lines: RemoteMediaLine[] = [
      { mid: AUDIO_MID, kind: "audio", direction: "recvonly", ssrcs: [], simulcastRids: [] },
      { mid: VIDEO_MID, kind: "video", direction: "recvonly", ssrcs: [], simulcastRids: rids },
    ];
    if (sctpPort !== null) lines.push({ mid: DATA_MID, kind: "data", direction: "inactive", ssrcs: [], simulcastRids: [] });
    return {
      type,
      setup,
      transport: this.#options.farSide === "peer" ? { ...transport, candidates: [] } : transport,
      audio,
      video: byCodec ? preferCodecs(video, this.#options.codecPreference) : video,
      lines,
      sctpPort,
      version: 1,
    };
  }

  get #codec(): VideoCodec {
    return this.#options.codecPreference[0] ?? "vp8";
  }

  async #answer(): Promise<void> {
    const model = this.#model;
    if (model === null) return;
    this.#model = { ...model, version: model.version + 1 };
    await this.#pc.setRemoteDescription({ type: "offer", sdp: writeRemoteSdp(this.#model) });
    for (const line of this.#model.lines) {
      const transceiver = this.#transceiver(line.mid);
      if (transceiver !== null && line.direction === "recvonly" && transceiver.direction !== "sendonly") transceiver.direction = "sendonly";
    }
    await this.#attachTracks();
    const answer = await this.#pc.createAnswer();
    const layered = this.#options.farSide === "bridge" && this.#options.capabilities.simulcastBy === "ssrc-group" && usesSimulcast(this.#codec);
    const sdp = layered ? addSimulcastLayers(answer.sdp ?? "", VIDEO_MID, () => Math.floor(this.#options.random() * 0xffffffff)) : (answer.sdp ?? "");
    await this.#pc.setLocalDescription({ type: "answer", sdp });
    this.#readLocal();
    this.#flushCandidates();
    await this.#applyEncodings();
  }

  #readLocal(): void {
    const sdp = this.#pc.localDescription?.sdp;
    if (sdp !== undefined) this.#local = readLocalSdp(sdp);
  }

  #describe(nameOf: (kind: "audio" | "video" | "data") => string, sctpPort: number | null): SessionDescription {
    const local = this.#local;
    if (local === null) throw new Error("nothing was negotiated yet");
    const transport: IceTransport = { ...local.transport, candidates: this.#options.farSide === "peer" ? [] : local.transport.candidates };
    const content = (kind: MediaKind, mid: string): Content => ({
      name: nameOf(kind),
      senders: "both",
      description: local.lines.find((line) => line.mid === mid)?.description ?? null,
      transport,
      frameHeights: [],
    });
    const contents = [content("audio", AUDIO_MID), content("video", VIDEO_MID)];
    if (sctpPort !== null) {
      contents.push({ name: nameOf("data"), senders: "both", description: null, transport: { ...transport, sctpPort }, frameHeights: [] });
    }
    const audio = this.#sourcesOf(AUDIO_MID, "audio", "a0", null);
    const video = this.#sourcesOf(VIDEO_MID, "video", "v0", "camera");
    return { contents, sources: { sources: [...audio.sources, ...video.sources], groups: [...audio.groups, ...video.groups] } };
  }

  #sourcesOf(mid: string, kind: MediaKind, suffix: string, videoType: "camera" | "desktop" | null): SourceSet {
    const line = this.#local?.lines.find((candidate) => candidate.mid === mid);
    if (line === undefined) return { sources: [], groups: [] };
    const name = `${this.#options.endpointId}-${suffix}`;
    const ssrcs = kind === "audio" ? line.ssrcs.slice(0, 1) : line.ssrcs;
    const groups: SourceGroup[] = line.groups.filter((group) => group.semantics === "SIM" || group.semantics === "FID").map((group) => ({ kind, ...group }));
    const primaries = primariesOf(line);
    if (kind === "video" && primaries.length > 1 && !groups.some((group) => group.semantics === "SIM")) {
      groups.unshift({ kind, semantics: "SIM", ssrcs: primaries });
    }
    return {
      sources: ssrcs.map((ssrc): Source => ({ ssrc, kind, name, owner: ownerOfName(name), msid: `${name}-stream ${name}-track`, videoType })),
      groups: kind === "audio" ? [] : groups,
    };
  }

  async #attachTracks(): Promise<void> {
    for (const [slot, mid] of [
      ["microphone", AUDIO_MID],
      ["camera", VIDEO_MID],
      ["screen", this.#screenMid],
    ] as const) {
      const sender = mid === null ? undefined : this.#senderOf(mid);
      const track = this.#sending ? (this.#tracks.get(slot) ?? null) : null;
      if (sender !== undefined && sender.track !== track) await sender.replaceTrack(track);
    }
  }

  #senderOf(mid: string): RTCRtpSender | undefined {
    const transceiver = this.#transceiver(mid);
    if (transceiver !== null) return transceiver.sender;
    // Before the first description is applied, transceivers have no mid; they are in order.
    const unnamed = this.#pc.getTransceivers()[Number(mid)];
    return unnamed?.mid === null ? unnamed.sender : undefined;
  }

  #transceiver(mid: string): RTCRtpTransceiver | null {
    return this.#pc.getTransceivers().find((transceiver) => transceiver.mid === mid) ?? null;
  }

  async #applyEncodings(): Promise<void> {
    for (const [slot, mid] of [
      ["camera", VIDEO_MID],
      ["screen", this.#screenMid],
    ] as const) {
      const sender = mid === null ? undefined : this.#transceiver(mid)?.sender;
      if (sender === undefined || this.#pc.signalingState === "closed") continue;
      const parameters = sender.getParameters();
      if (parameters.encodings.length === 0) continue;
      const plan = planEncodings({
        codec: this.#codec,
        kind: slot === "screen" ? "desktop" : "camera",
        layers: Math.min(parameters.encodings.length, SIMULCAST_LAYERS),
        heightPx: sender.track?.getSettings().height ?? 0,
        maxHeightPx: this.#maxHeights[slot],
      });
      parameters.encodings.forEach((encoding, index) => {
        const planned = plan[index];
        if (planned !== undefined) Object.assign(encoding, planned);
      });
      parameters.degradationPreference = slot === "screen" ? "maintain-resolution" : "balanced";
      await sender.setParameters(parameters).catch((error: unknown) => {
        // The sender's state moved on between reading and writing; the next negotiation writes again.
        console.debug("encodings not applied", error);
      });
    }
  }

  #publishTracks(): void {
    const tracks = new Map<number, MediaStreamTrack>();
    for (const line of this.#model?.lines ?? []) {
      const [ssrc] = line.ssrcs;
      const track = line.direction === "sendonly" ? this.#transceiver(line.mid)?.receiver.track : undefined;
      if (ssrc !== undefined && track !== undefined) tracks.set(ssrc, track);
    }
    this.#remoteTracks.set(tracks);
  }

  #flushCandidates(): void {
    for (const candidate of this.#waitingCandidates.splice(0)) {
      this.#pc.addIceCandidate({ candidate: candidateLine(candidate), sdpMid: AUDIO_MID, sdpMLineIndex: 0 }).catch((error: unknown) => {
        console.debug("candidate not taken", error);
      });
    }
  }

  #orderedCapabilities(): RTCRtpCodec[] {
    const all = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
    const rank = (codec: RTCRtpCodec): number => {
      const index = this.#options.codecPreference.findIndex((name) => codec.mimeType.toLowerCase() === `video/${name}`);
      return index < 0 ? this.#options.codecPreference.length : index;
    };
    return [...all].sort((left, right) => rank(left) - rank(right));
  }
}

/** Lines for the wanted sources: known ones keep theirs, gone ones free theirs, new ones take a free one or a new one. The same array when nothing changes. */
export function receiveOn(lines: readonly RemoteMediaLine[], sources: readonly ReceivedSource[]): readonly RemoteMediaLine[] {
  const wanted = new Map(sources.map((source) => [source.ssrc, source]));
  let changed = false;
  const result = lines.map((line): RemoteMediaLine => {
    const [ssrc] = line.ssrcs;
    if (line.direction !== "sendonly" || ssrc === undefined) return line;
    if (wanted.delete(ssrc)) return line;
    changed = true;
    return { ...line, direction: "inactive", ssrcs: [] };
  });
  for (const source of wanted.values()) {
    const ssrcs = source.rtx === null ? [source.ssrc] : [source.ssrc, source.rtx];
    const free = result.findIndex((line) => line.kind === source.kind && line.direction === "inactive");
    if (free >= 0) result[free] = { mid: result[free]?.mid ?? String(free), kind: source.kind, direction: "sendonly", ssrcs, simulcastRids: [] };
    else if (result.length < MEDIA_LINES_MAX) result.push({ mid: String(result.length), kind: source.kind, direction: "sendonly", ssrcs, simulcastRids: [] });
    else continue;
    changed = true;
  }
  return changed ? result : lines;
}

function descriptionOf(contents: readonly Content[], kind: MediaKind): RtpDescription {
  const description = contents.find((content) => content.description?.media === kind)?.description;
  if (description === null || description === undefined) throw new Error(`description without ${kind}`);
  return description;
}

/** The preferred codecs first, each followed by nothing but its own order; retransmission and the rest behind. */
export function preferCodecs(description: RtpDescription, preference: readonly VideoCodec[]): RtpDescription {
  const rank = (name: string): number => {
    const index = preference.findIndex((codec) => codec === name.toLowerCase());
    return index < 0 ? preference.length : index;
  };
  return { ...description, payloadTypes: [...description.payloadTypes].sort((left, right) => rank(left.name) - rank(right.name)) };
}
