/** Jingle (XEP-0166, -0167, -0176, -0293, -0294, -0320, -0338, -0339) as Jitsi uses it. */

import { NS } from "./ns";
import { mergeSources, NO_SOURCES, parseDescriptionSources, parseJsonSources, sourceElements, type MediaKind, type SourceSet } from "./sources";
import { xml, type XmlElement } from "./xml";

export interface PayloadType {
  readonly id: number;
  readonly name: string;
  readonly clockrate: number;
  readonly channels: number;
  readonly parameters: readonly (readonly [name: string, value: string])[];
  readonly feedback: readonly RtcpFeedback[];
}

export interface RtcpFeedback {
  readonly type: string;
  readonly subtype: string | null;
}

export interface HeaderExtension {
  readonly id: number;
  readonly uri: string;
}

export interface IceCandidate {
  readonly foundation: string;
  readonly component: number;
  readonly protocol: string;
  readonly priority: number;
  readonly ip: string;
  readonly port: number;
  readonly type: string;
  readonly relAddr: string | null;
  readonly relPort: number | null;
  readonly tcpType: string | null;
  readonly generation: number;
}

export interface Fingerprint {
  readonly hash: string;
  readonly setup: string | null;
  readonly value: string;
}

export interface IceTransport {
  readonly ufrag: string | null;
  readonly pwd: string | null;
  readonly fingerprint: Fingerprint | null;
  readonly candidates: readonly IceCandidate[];
  /** Addresses of the bridge channel. */
  readonly webSockets: readonly string[];
  /** The bridge takes an SCTP association on this port. */
  readonly sctpPort: number | null;
  /** Counts in-place ICE restarts. */
  readonly iceGeneration: number | null;
}

export interface RtpDescription {
  readonly media: MediaKind;
  readonly payloadTypes: readonly PayloadType[];
  readonly headerExtensions: readonly HeaderExtension[];
  readonly extmapAllowMixed: boolean;
}

export interface Content {
  readonly name: string;
  readonly senders: string | null;
  /** Null for the data channel's content. */
  readonly description: RtpDescription | null;
  readonly transport: IceTransport | null;
  /** P2P receiver constraints carried by `content-modify`. */
  readonly frameHeights: readonly { readonly sourceName: string; readonly maxHeight: number }[];
}

export interface BridgeSession {
  readonly id: string | null;
  readonly region: string | null;
}

interface Common {
  readonly sid: string;
  readonly initiator: string | null;
}

export type Jingle =
  | (Common & {
      readonly action: "session-initiate" | "session-accept";
      readonly contents: readonly Content[];
      readonly bundle: readonly string[];
      readonly sources: SourceSet;
      readonly bridgeSession: BridgeSession | null;
      /** To be sent back in the accept. */
      readonly traceParent: XmlElement | null;
    })
  | (Common & { readonly action: "source-add" | "source-remove"; readonly sources: SourceSet })
  | (Common & { readonly action: "transport-info" | "content-modify"; readonly contents: readonly Content[] })
  | (Common & { readonly action: "session-terminate"; readonly reason: string | null; readonly text: string | null })
  | (Common & { readonly action: "session-info"; readonly payload: readonly XmlElement[] })
  | (Common & { readonly action: "other"; readonly name: string });

/** Most candidates and contents taken from one message. */
export const CANDIDATES_MAX = 256;
export const CONTENTS_MAX = 64;

/** Null when the element breaks Jingle's own rules (no sid, no action). */
export function parseJingle(element: XmlElement): Jingle | null {
  const sid = element.attr("sid");
  const action = element.attr("action");
  if (sid === null || action === null) return null;
  const common = { sid, initiator: element.attr("initiator") };
  const contents = () => element.all("content").slice(0, CONTENTS_MAX).map(parseContent);
  switch (action) {
    case "session-initiate":
    case "session-accept": {
      const bundle = element.all("group").find((group) => group.attr("semantics") === "BUNDLE");
      const bridge = element.child("bridge-session");
      return {
        ...common,
        action,
        contents: contents(),
        bundle: bundle?.all("content").flatMap((content) => content.attr("name") ?? []) ?? [],
        sources: parseSources(element),
        bridgeSession: bridge === null ? null : { id: bridge.attr("id"), region: bridge.attr("region") },
        traceParent: element.child("traceparent"),
      };
    }
    case "source-add":
    case "source-remove":
    // COMPAT(lib-jitsi-meet): the older names still accepted there.
    case "addsource":
    case "removesource":
      return { ...common, action: action.includes("add") ? "source-add" : "source-remove", sources: parseSources(element) };
    case "transport-info":
    case "content-modify":
      return { ...common, action, contents: contents() };
    case "session-terminate": {
      const reason = element.child("reason");
      return {
        ...common,
        action,
        reason: reason?.children.find((child) => child.name !== "text")?.name ?? null,
        text: reason?.child("text")?.text ?? null,
      };
    }
    case "session-info":
      return { ...common, action, payload: element.children };
    default:
      return { ...common, action: "other", name: action };
  }
}

function parseSources(element: XmlElement): SourceSet {
  let set = NO_SOURCES;
  for (const content of element.all("content").slice(0, CONTENTS_MAX)) {
    const description = content.child("description", NS.jingleRtp);
    const kind = description === null ? null : mediaKind(description.attr("media") ?? content.attr("name"));
    if (description !== null && kind !== null) set = mergeSources(set, parseDescriptionSources(description, kind));
  }
  const json = element.child("json-message");
  const compact = json === null ? null : parseJsonSources(json.text);
  return compact === null ? set : mergeSources(set, compact);
}

function parseContent(element: XmlElement): Content {
  const description = element.child("description", NS.jingleRtp);
  const transport = element.child("transport");
  const media = description === null ? null : mediaKind(description.attr("media") ?? element.attr("name"));
  return {
    name: element.attr("name") ?? "",
    senders: element.attr("senders"),
    description: description === null || media === null ? null : parseDescription(description, media),
    transport: transport === null ? null : parseTransport(transport),
    frameHeights: element.all("source-frame-height").flatMap((height) => {
      const sourceName = height.attr("sourceName");
      const maxHeight = Number(height.attr("maxHeight"));
      return sourceName === null || !Number.isInteger(maxHeight) ? [] : [{ sourceName, maxHeight }];
    }),
  };
}

function parseDescription(element: XmlElement, media: MediaKind): RtpDescription {
  return {
    media,
    payloadTypes: element.all("payload-type").flatMap((payload) => {
      const id = Number(payload.attr("id"));
      const clockrate = Number(payload.attr("clockrate"));
      if (!Number.isInteger(id) || id < 0 || id > 127 || !Number.isInteger(clockrate)) return [];
      return [
        {
          id,
          name: payload.attr("name") ?? "",
          clockrate,
          channels: Number(payload.attr("channels") ?? 1) || 1,
          parameters: payload.all("parameter").map((parameter) => [parameter.attr("name") ?? "", parameter.attr("value") ?? ""] as const),
          feedback: payload.all("rtcp-fb").flatMap((feedback) => {
            const type = feedback.attr("type");
            return type === null ? [] : [{ type, subtype: feedback.attr("subtype") }];
          }),
        },
      ];
    }),
    headerExtensions: element.all("rtp-hdrext").flatMap((extension) => {
      const id = Number(extension.attr("id"));
      const uri = extension.attr("uri");
      return uri === null || !Number.isInteger(id) ? [] : [{ id, uri }];
    }),
    extmapAllowMixed: element.child("extmap-allow-mixed") !== null,
  };
}

export function parseTransport(element: XmlElement): IceTransport {
  const fingerprint = element.child("fingerprint");
  const sctp = element.child("sctpmap");
  const generation = element.attr("ice-generation");
  return {
    ufrag: element.attr("ufrag"),
    pwd: element.attr("pwd"),
    fingerprint:
      fingerprint === null
        ? null
        : { hash: fingerprint.attr("hash") ?? "sha-256", setup: fingerprint.attr("setup"), value: fingerprint.text.trim() },
    candidates: element.all("candidate").slice(0, CANDIDATES_MAX).flatMap(parseCandidate),
    webSockets: element.all("web-socket").flatMap((socket) => socket.attr("url") ?? []),
    sctpPort: sctp === null ? null : Number(sctp.attr("number") ?? 5000) || 5000,
    iceGeneration: generation === null || !/^\d+$/.test(generation) ? null : Number(generation),
  };
}

function parseCandidate(element: XmlElement): readonly IceCandidate[] {
  const ip = element.attr("ip");
  const port = Number(element.attr("port"));
  const priority = Number(element.attr("priority"));
  if (ip === null || !/^[0-9A-Za-z.:-]+$/.test(ip) || !Number.isInteger(port) || port < 0 || port > 65535 || !Number.isFinite(priority)) return [];
  return [
    {
      foundation: element.attr("foundation") ?? "1",
      component: Number(element.attr("component") ?? 1) || 1,
      protocol: (element.attr("protocol") ?? "udp").toLowerCase(),
      priority,
      ip,
      port,
      type: element.attr("type") ?? "host",
      relAddr: element.attr("rel-addr"),
      relPort: element.attr("rel-port") === null ? null : Number(element.attr("rel-port")),
      tcpType: element.attr("tcptype"),
      generation: Number(element.attr("generation") ?? 0) || 0,
    },
  ];
}

export function mediaKind(name: string | null): MediaKind | null {
  return name === "audio" || name === "video" ? name : null;
}

/** What a session-initiate or session-accept says. */
export interface SessionDescription {
  readonly contents: readonly Content[];
  readonly sources: SourceSet;
}

export interface JingleHeader {
  readonly sid: string;
  readonly initiator: string;
  readonly responder?: string;
}

export function jingleElement(action: string, header: JingleHeader, ...nodes: readonly (XmlElement | null)[]): XmlElement {
  return xml("jingle", NS.jingle, { action, sid: header.sid, initiator: header.initiator, responder: header.responder }, ...nodes);
}

/** `creator` is the party that made the contents: ours when we initiate. */
export function descriptionElements(description: SessionDescription, creator: "initiator" | "responder"): readonly XmlElement[] {
  return [
    xml(
      "group",
      NS.jingleGrouping,
      { semantics: "BUNDLE" },
      ...description.contents.map((content) => xml("content", NS.jingleGrouping, { name: content.name })),
    ),
    ...description.contents.map((content) => contentElement(content, description.sources, creator)),
  ];
}

function contentElement(content: Content, sources: SourceSet, creator: string): XmlElement {
  return xml(
    "content",
    NS.jingle,
    { creator, name: content.name, senders: content.senders ?? "both" },
    content.description === null ? null : rtpElement(content.description, sources),
    content.transport === null ? null : transportElement(content.transport),
  );
}

function rtpElement(description: RtpDescription, sources: SourceSet): XmlElement {
  return xml(
    "description",
    NS.jingleRtp,
    { media: description.media },
    ...description.payloadTypes.map((payload) =>
      xml(
        "payload-type",
        NS.jingleRtp,
        { id: payload.id, name: payload.name, clockrate: payload.clockrate, channels: payload.channels },
        ...payload.parameters.map(([name, value]) => xml("parameter", NS.jingleRtp, { name, value })),
        ...payload.feedback.map((feedback) => xml("rtcp-fb", NS.jingleRtcpFeedback, { type: feedback.type, subtype: feedback.subtype })),
      ),
    ),
    ...sourceElements(sources, description.media),
    xml("rtcp-mux", NS.jingleRtp),
    ...description.headerExtensions.map((extension) => xml("rtp-hdrext", NS.jingleHeaderExtensions, { id: extension.id, uri: extension.uri })),
    description.extmapAllowMixed ? xml("extmap-allow-mixed", NS.jingleHeaderExtensions) : null,
  );
}

export function transportElement(transport: IceTransport): XmlElement {
  return xml(
    "transport",
    NS.jingleIceUdp,
    { ufrag: transport.ufrag, pwd: transport.pwd, "ice-generation": transport.iceGeneration },
    transport.fingerprint === null
      ? null
      : xml("fingerprint", NS.jingleDtls, { hash: transport.fingerprint.hash, setup: transport.fingerprint.setup }, transport.fingerprint.value),
    ...transport.candidates.map((candidate, index) =>
      xml("candidate", NS.jingleIceUdp, {
        id: `c${candidate.foundation}-${index}`,
        foundation: candidate.foundation,
        component: candidate.component,
        protocol: candidate.protocol,
        priority: candidate.priority,
        ip: candidate.ip,
        port: candidate.port,
        type: candidate.type,
        "rel-addr": candidate.relAddr,
        "rel-port": candidate.relPort,
        tcptype: candidate.tcpType,
        generation: candidate.generation,
        network: 1,
      }),
    ),
    transport.sctpPort === null
      ? null
      : xml("sctpmap", NS.jingleDtlsSctp, { number: transport.sctpPort, protocol: "webrtc-datachannel", streams: 1024 }),
  );
}

/** The contents of a source-add or source-remove: one per kind that has sources. */
export function sourceContents(sources: SourceSet): readonly XmlElement[] {
  return (["audio", "video"] as const).flatMap((kind) => {
    const elements = sourceElements(sources, kind);
    if (elements.length === 0) return [];
    return [xml("content", NS.jingle, { creator: "initiator", name: kind, senders: "both" }, xml("description", NS.jingleRtp, { media: kind }, ...elements))];
  });
}

export function reasonElement(condition: string, text?: string): XmlElement {
  return xml("reason", NS.jingle, {}, xml(condition, NS.jingle), text === undefined ? null : xml("text", NS.jingle, {}, text));
}
