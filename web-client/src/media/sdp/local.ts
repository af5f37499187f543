/** What the browser described about our side, read out of its SDP. */

import { parse, type MediaDescription, type SessionDescription as ParsedSdp } from "sdp-transform";
import type { HeaderExtension, IceCandidate, IceTransport, PayloadType, RtpDescription } from "../../protocol/jingle";
import type { MediaKind } from "../../protocol/sources";

export interface LocalMediaLine {
  readonly mid: string;
  readonly kind: MediaKind | "data";
  readonly description: RtpDescription | null;
  /** SSRCs in the browser's order. */
  readonly ssrcs: readonly number[];
  readonly groups: readonly { readonly semantics: string; readonly ssrcs: readonly number[] }[];
}

export interface LocalSession {
  readonly transport: IceTransport;
  readonly lines: readonly LocalMediaLine[];
}

export function readLocalSdp(sdp: string): LocalSession {
  const session = parse(sdp);
  const lines = session.media.map(readLine);
  const first = session.media[0];
  if (first === undefined) throw new Error("local description without media");
  return { transport: readTransport(session, first), lines };
}

function readLine(media: MediaDescription): LocalMediaLine {
  const kind = media.type === "audio" || media.type === "video" ? media.type : "data";
  return {
    mid: String(media.mid ?? ""),
    kind,
    description: kind === "data" ? null : readDescription(media, kind),
    ssrcs: [...new Set((media.ssrcs ?? []).map((ssrc) => Number(ssrc.id)))],
    groups: (media.ssrcGroups ?? []).map((group) => ({ semantics: group.semantics, ssrcs: group.ssrcs.split(" ").map(Number) })),
  };
}

function readDescription(media: MediaDescription, kind: MediaKind): RtpDescription {
  const order = String(media.payloads ?? "")
    .split(" ")
    .map(Number);
  const payloadTypes = media.rtp
    .map(
      (rtp): PayloadType => ({
        id: rtp.payload,
        name: rtp.codec,
        clockrate: rtp.rate ?? 90_000,
        channels: Number(rtp.encoding ?? 1) || 1,
        parameters: media.fmtp.filter((fmtp) => fmtp.payload === rtp.payload).flatMap((fmtp) => readParameters(fmtp.config)),
        feedback: (media.rtcpFb ?? [])
          .filter((feedback) => Number(feedback.payload) === rtp.payload)
          .map((feedback) => ({ type: feedback.type, subtype: feedback.subtype ?? null })),
      }),
    )
    .sort((left, right) => order.indexOf(left.id) - order.indexOf(right.id));
  return {
    media: kind,
    payloadTypes,
    headerExtensions: (media.ext ?? []).map((extension): HeaderExtension => ({ id: extension.value, uri: extension.uri })),
    extmapAllowMixed: true,
  };
}

function readParameters(config: string): readonly (readonly [string, string])[] {
  return config
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const equals = part.indexOf("=");
      return equals < 0 ? (["", part] as const) : ([part.slice(0, equals), part.slice(equals + 1)] as const);
    });
}

function readTransport(session: ParsedSdp, media: MediaDescription): IceTransport {
  const fingerprint = media.fingerprint ?? session.fingerprint;
  return {
    ufrag: String(media.iceUfrag ?? session.iceUfrag ?? ""),
    pwd: media.icePwd ?? session.icePwd ?? "",
    fingerprint: fingerprint === undefined ? null : { hash: fingerprint.type, value: fingerprint.hash, setup: media.setup ?? session.setup ?? null },
    candidates: (media.candidates ?? []).map(
      (candidate): IceCandidate => ({
        foundation: String(candidate.foundation),
        component: candidate.component,
        protocol: candidate.transport.toLowerCase(),
        priority: Number(candidate.priority),
        ip: candidate.ip,
        port: candidate.port,
        type: candidate.type,
        relAddr: candidate.raddr ?? null,
        relPort: candidate.rport ?? null,
        tcpType: candidate.tcptype ?? null,
        generation: candidate.generation ?? 0,
      }),
    ),
    webSockets: [],
    sctpPort: null,
    iceGeneration: null,
  };
}

/** A candidate the browser found, null for its end mark or one that isn't understood. */
export function readCandidate(line: string): IceCandidate | null {
  const match =
    /^(?:a=)?candidate:(\S+) (\d+) (\S+) (\d+) (\S+) (\d+) typ (\S+)(?: raddr (\S+) rport (\d+))?(?: tcptype (\S+))?/.exec(line);
  if (match === null) return null;
  const [, foundation, component, protocol, priority, ip, port, type, relAddr, relPort, tcpType] = match;
  if (foundation === undefined || protocol === undefined || ip === undefined || type === undefined) return null;
  return {
    foundation,
    component: Number(component),
    protocol: protocol.toLowerCase(),
    priority: Number(priority),
    ip,
    port: Number(port),
    type,
    relAddr: relAddr ?? null,
    relPort: relPort === undefined ? null : Number(relPort),
    tcpType: tcpType ?? null,
    generation: 0,
  };
}
