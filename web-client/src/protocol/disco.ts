/** Service discovery (XEP-0030) and entity capabilities (XEP-0115) of this client. */

import { NS } from "./ns";
import { xml, type XmlElement } from "./xml";

const IDENTITY = { category: "client", type: "web", name: "http://jitsi.org/jitsimeet" } as const;

/** What the focus decides by; sorted as the hash of XEP-0115 §5.1 wants. */
export const CLIENT_FEATURES: readonly string[] = [
  "http://jitsi.org/json-encoded-sources",
  "http://jitsi.org/receive-multiple-video-streams",
  "http://jitsi.org/source-name",
  "http://jitsi.org/ssrc-rewriting-1",
  "http://jitsi.org/start-muted-room-metadata",
  "http://jitsi.org/tcc",
  "http://jabber.org/protocol/caps",
  "http://jabber.org/protocol/disco#info",
  "urn:ietf:rfc:4588",
  "urn:xmpp:jingle:1",
  "urn:xmpp:jingle:apps:dtls:0",
  "urn:xmpp:jingle:apps:rtp:1",
  "urn:xmpp:jingle:apps:rtp:audio",
  "urn:xmpp:jingle:apps:rtp:video",
  "urn:xmpp:jingle:transports:dtls-sctp:1",
  "urn:xmpp:jingle:transports:ice-udp:1",
  "urn:xmpp:ping",
].sort();

export function clientDiscoInfo(node: string | null): XmlElement {
  return xml(
    "query",
    NS.discoInfo,
    { node },
    xml("identity", NS.discoInfo, IDENTITY),
    ...CLIENT_FEATURES.map((feature) => xml("feature", NS.discoInfo, { var: feature })),
  );
}

/** The text whose SHA-1, in base64, is the `ver` of our caps (XEP-0115 §5.1). */
export function capsString(features: readonly string[] = CLIENT_FEATURES): string {
  return `${IDENTITY.category}/${IDENTITY.type}//${IDENTITY.name}<${features.map((feature) => `${feature}<`).join("")}`;
}

export interface DiscoInfo {
  readonly identities: readonly { readonly category: string; readonly type: string; readonly name: string | null }[];
  readonly features: ReadonlySet<string>;
  /** Fields of the data form by their `var`, first value only. */
  readonly fields: ReadonlyMap<string, string>;
}

export function parseDiscoInfo(query: XmlElement): DiscoInfo {
  return {
    identities: query.all("identity").map((identity) => ({
      category: identity.attr("category") ?? "",
      type: identity.attr("type") ?? "",
      name: identity.attr("name"),
    })),
    features: new Set(query.all("feature").flatMap((feature) => feature.attr("var") ?? [])),
    fields: new Map(
      query
        .all("x", NS.dataForms)
        .flatMap((form) => form.all("field"))
        .flatMap((field) => {
          const name = field.attr("var");
          const value = field.child("value");
          return name === null || value === null ? [] : [[name, value.text] as const];
        }),
    ),
  };
}

/** Addresses of the room services, by identity type; a service without identity isn't there. */
export interface Services {
  readonly avModeration: string | null;
  readonly speakerStats: string | null;
  readonly lobby: string | null;
  readonly endConference: string | null;
  readonly roomMetadata: string | null;
}

export function parseServices(info: DiscoInfo): Services {
  const named = (type: string): string | null => info.identities.find((identity) => identity.category === "component" && identity.type === type)?.name ?? null;
  return {
    avModeration: named("av_moderation"),
    speakerStats: named("speakerstats"),
    lobby: named("lobbyrooms"),
    endConference: named("end_conference"),
    roomMetadata: named("room_metadata"),
  };
}

export interface IceServer {
  readonly urls: string;
  readonly username?: string;
  readonly credential?: string;
}

/** External services (XEP-0215): STUN and TURN. */
export function parseExternalServices(element: XmlElement): readonly IceServer[] {
  return element.all("service").flatMap((service) => {
    const type = service.attr("type");
    const host = service.attr("host");
    if (host === null || (type !== "stun" && type !== "turn" && type !== "turns")) return [];
    const port = service.attr("port");
    const transport = service.attr("transport");
    const address = host.includes(":") ? `[${host}]` : host;
    const urls = `${type}:${address}${port === null ? "" : `:${port}`}${type === "stun" || transport === null ? "" : `?transport=${transport}`}`;
    const username = service.attr("username");
    const credential = service.attr("password");
    return [{ urls, ...(username === null ? {} : { username }), ...(credential === null ? {} : { credential }) }];
  });
}
