/**
 * The far side's description as SDP text. The server never sees SDP: we keep what it signalled as values and write
 * the description from them each time something changes.
 *
 * Our own microphone and camera have the first two m-lines, which the far side only receives; each of its sources has
 * an m-line of its own further down, which it only sends. So every source comes and goes without touching another, and
 * packets find their m-line by SSRC alone.
 */

import type { IceCandidate, IceTransport, RtpDescription } from "../../protocol/jingle";
import type { MediaKind } from "../../protocol/sources";

export interface RemoteMediaLine {
  readonly mid: string;
  readonly kind: MediaKind | "data";
  /** From the far side's view. */
  readonly direction: "sendonly" | "recvonly" | "inactive";
  /** What it sends here: the media, and its retransmission if there is one. */
  readonly ssrcs: readonly number[];
  /** Asks the browser for simulcast by these ids, for browsers that take it this way. */
  readonly simulcastRids: readonly string[];
}

export interface RemoteSessionModel {
  readonly type: "offer" | "answer";
  readonly setup: "actpass" | "active" | "passive";
  readonly transport: IceTransport;
  readonly audio: RtpDescription;
  readonly video: RtpDescription;
  readonly lines: readonly RemoteMediaLine[];
  readonly sctpPort: number | null;
  /** Grows with each description. */
  readonly version: number;
}

/** The stream a remote SSRC's track belongs to in the browser; it is never reused for another SSRC. */
export function remoteStreamId(ssrc: number): string {
  return `remote-${ssrc}`;
}

const MID_EXTENSION = "urn:ietf:params:rtp-hdrext:sdes:mid";
const STREAM_ID_EXTENSIONS = ["urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"];

export function writeRemoteSdp(model: RemoteSessionModel): string {
  const lines = [
    "v=0",
    `o=- 1923518516 ${model.version} IN IP4 0.0.0.0`,
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${model.lines.map((line) => line.mid).join(" ")}`,
    "a=msid-semantic: WMS *",
  ];
  if (model.audio.extmapAllowMixed || model.video.extmapAllowMixed) lines.push("a=extmap-allow-mixed");
  model.lines.forEach((line, index) => {
    if (line.kind === "data") lines.push(...dataLines(line, model, index === 0));
    else lines.push(...mediaLines(line, line.kind === "audio" ? model.audio : model.video, model, index === 0));
  });
  return `${lines.join("\r\n")}\r\n`;
}

function mediaLines(line: RemoteMediaLine, description: RtpDescription, model: RemoteSessionModel, first: boolean): readonly string[] {
  const payloads = description.payloadTypes;
  const lines = [`m=${line.kind} 9 UDP/TLS/RTP/SAVPF ${payloads.map((payload) => payload.id).join(" ")}`, ...transportLines(line, model, first), "a=rtcp-mux", "a=rtcp-rsize"];
  for (const payload of payloads) {
    const channels = line.kind === "audio" && payload.channels > 1 ? `/${payload.channels}` : "";
    lines.push(`a=rtpmap:${payload.id} ${payload.name}/${payload.clockrate}${channels}`);
    for (const feedback of payload.feedback) {
      lines.push(`a=rtcp-fb:${payload.id} ${feedback.type}${feedback.subtype === null ? "" : ` ${feedback.subtype}`}`);
    }
    if (payload.parameters.length > 0) {
      lines.push(`a=fmtp:${payload.id} ${payload.parameters.map(([name, value]) => (name === "" ? value : `${name}=${value}`)).join(";")}`);
    }
  }
  for (const extension of description.headerExtensions) {
    // Packets are told apart by SSRC; a forwarded mid or stream id would be that of another endpoint's description.
    if (extension.uri === MID_EXTENSION || STREAM_ID_EXTENSIONS.includes(extension.uri)) continue;
    lines.push(`a=extmap:${extension.id} ${extension.uri}`);
  }
  lines.push(`a=${line.direction}`);
  if (line.simulcastRids.length > 0) {
    lines.push(...line.simulcastRids.map((rid) => `a=rid:${rid} recv`), `a=simulcast:recv ${line.simulcastRids.join(";")}`);
  }
  const [primary, retransmission] = line.ssrcs;
  if (line.direction === "sendonly" && primary !== undefined) {
    const stream = remoteStreamId(primary);
    lines.push(`a=msid:${stream} ${stream}`);
    if (retransmission !== undefined) lines.push(`a=ssrc-group:FID ${primary} ${retransmission}`);
    for (const ssrc of line.ssrcs) lines.push(`a=ssrc:${ssrc} cname:${stream}`, `a=ssrc:${ssrc} msid:${stream} ${stream}`);
  }
  return lines;
}

function dataLines(line: RemoteMediaLine, model: RemoteSessionModel, first: boolean): readonly string[] {
  return [
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ...transportLines(line, model, first),
    `a=sctp-port:${model.sctpPort ?? 5000}`,
    "a=max-message-size:262144",
  ];
}

function transportLines(line: RemoteMediaLine, model: RemoteSessionModel, first: boolean): readonly string[] {
  const { transport } = model;
  const lines = ["c=IN IP4 0.0.0.0", ...(line.kind === "data" ? [] : ["a=rtcp:9 IN IP4 0.0.0.0"])];
  if (first) lines.push(...transport.candidates.filter((candidate) => candidate.component === 1).map((candidate) => `a=${candidateLine(candidate)}`));
  lines.push(`a=ice-ufrag:${transport.ufrag ?? ""}`, `a=ice-pwd:${transport.pwd ?? ""}`, "a=ice-options:trickle");
  if (transport.fingerprint !== null) lines.push(`a=fingerprint:${transport.fingerprint.hash} ${transport.fingerprint.value}`);
  lines.push(`a=setup:${model.setup}`, `a=mid:${line.mid}`);
  return lines;
}

/** The `candidate:…` value as SDP and `addIceCandidate` take it. */
export function candidateLine(candidate: IceCandidate): string {
  const parts = [
    `candidate:${candidate.foundation} ${candidate.component} ${candidate.protocol} ${candidate.priority} ${candidate.ip} ${candidate.port} typ ${candidate.type}`,
  ];
  if (candidate.relAddr !== null && candidate.relPort !== null) parts.push(`raddr ${candidate.relAddr} rport ${candidate.relPort}`);
  if (candidate.tcpType !== null) parts.push(`tcptype ${candidate.tcpType}`);
  parts.push(`generation ${candidate.generation}`);
  return parts.join(" ");
}
