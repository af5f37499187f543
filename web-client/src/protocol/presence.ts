/** Room presence (XEP-0045) with Jitsi's children. Each presence is a whole snapshot: what is absent was taken away. */

import { NS } from "./ns";
import { resourceOf } from "./jid";
import { ownerOfName } from "./sources";
import { parseStanzaError, type StanzaError } from "./stanza-error";
import { xml, type XmlElement } from "./xml";

export interface SourceState {
  readonly muted: boolean;
  readonly videoType: "camera" | "desktop";
}

/** Source name → state; a source that is missing isn't sent. */
export type SourceInfo = Readonly<Record<string, SourceState>>;

export interface Occupant {
  readonly nick: string;
  readonly displayName: string | null;
  readonly realJid: string | null;
  readonly affiliation: string;
  readonly role: string;
  /** COMPAT(jicofo): moderator means affiliation owner, whatever the role. */
  readonly moderator: boolean;
  readonly sourceInfo: SourceInfo;
  /** ms since 1970; null when the hand is down. */
  readonly raisedHandAt: number | null;
  readonly codecList: readonly string[];
  readonly avatarUrl: string | null;
  readonly email: string | null;
  readonly bot: boolean;
  readonly region: string | null;
  readonly e2ee: boolean;
  /** Only the focus' own presence has it. */
  readonly conferenceProperties: Readonly<Record<string, string>>;
}

export type RoomPresence =
  | { readonly kind: "available"; readonly occupant: Occupant; readonly statusCodes: readonly number[]; readonly self: boolean }
  | {
      readonly kind: "unavailable";
      readonly nick: string;
      readonly statusCodes: readonly number[];
      readonly self: boolean;
      readonly actor: string | null;
      readonly reason: string | null;
      readonly destroyed: { readonly alternate: string | null; readonly reason: string | null } | null;
    }
  | { readonly kind: "error"; readonly nick: string | null; readonly error: StanzaError };

/** Longest texts taken over from others. */
export const DISPLAY_NAME_CHARACTERS_MAX = 128;
export const SOURCE_INFO_ENTRIES_MAX = 32;

/** Null: not a presence of a room's occupant, or one Jitsi asks to ignore. */
export function parseRoomPresence(stanza: XmlElement): RoomPresence | null {
  const from = stanza.attr("from");
  if (from === null) return null;
  const nick = resourceOf(from);
  const type = stanza.attr("type");
  if (type === "error") return { kind: "error", nick, error: parseStanzaError(stanza) };
  if (nick === null) return null;
  if (stanza.child("ignore", NS.jitsiMeet) !== null) return null;
  const user = stanza.child("x", NS.mucUser);
  const item = user?.child("item") ?? null;
  const statusCodes = (user?.all("status") ?? []).map((status) => Number(status.attr("code"))).filter(Number.isInteger);
  const self = statusCodes.includes(110);
  if (type === "unavailable") {
    const destroy = user?.child("destroy") ?? null;
    return {
      kind: "unavailable",
      nick,
      statusCodes,
      self,
      actor: item?.child("actor")?.attr("nick") ?? null,
      reason: item?.child("reason")?.text ?? null,
      destroyed: destroy === null ? null : { alternate: destroy.attr("jid"), reason: destroy.child("reason")?.text ?? null },
    };
  }
  if (type !== null) return null;
  return { kind: "available", occupant: parseOccupant(stanza, nick, item), statusCodes, self };
}

function parseOccupant(stanza: XmlElement, nick: string, item: XmlElement | null): Occupant {
  const affiliation = item?.attr("affiliation") ?? "none";
  const properties = stanza.child("conference-properties");
  return {
    nick,
    displayName: shortText(stanza.child("nick", NS.nick)?.text),
    realJid: item?.attr("jid") ?? null,
    affiliation,
    role: item?.attr("role") ?? "none",
    moderator: affiliation === "owner",
    sourceInfo: parseSourceInfo(stanza, nick),
    raisedHandAt: parseRaisedHand(stanza.child("jitsi_participant_raisedHand")?.text ?? ""),
    codecList: (stanza.child("jitsi_participant_codecList")?.text ?? "").split(",").flatMap((codec) => codec.trim().toLowerCase() || []),
    avatarUrl: httpsUrl(stanza.child("avatar-url")?.text),
    email: shortText(stanza.child("email")?.text),
    bot: stanza.child("bot") !== null,
    region: stanza.child("jitsi_participant_region")?.text ?? null,
    e2ee: stanza.child("jitsi_participant_e2ee.enabled")?.text === "true",
    conferenceProperties: Object.fromEntries(
      (properties?.all("property") ?? []).flatMap((property) => {
        const key = property.attr("key");
        return key === null ? [] : [[key, property.attr("value") ?? ""]];
      }),
    ),
  };
}

/** Entries of other people's sources are dropped. Old clients say only `audiomuted` and `videomuted`. */
function parseSourceInfo(stanza: XmlElement, nick: string): SourceInfo {
  const text = stanza.child("SourceInfo")?.text;
  if (text === undefined) {
    const info: Record<string, SourceState> = {};
    const audio = stanza.child("audiomuted");
    const video = stanza.child("videomuted");
    if (audio !== null) info[`${nick}-a0`] = { muted: audio.text === "true", videoType: "camera" };
    if (video !== null) info[`${nick}-v0`] = { muted: video.text === "true", videoType: stanza.child("videoType")?.text === "desktop" ? "desktop" : "camera" };
    return info;
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof json !== "object" || json === null) return {};
  const info: Record<string, SourceState> = {};
  for (const [name, value] of Object.entries(json as Record<string, unknown>).slice(0, SOURCE_INFO_ENTRIES_MAX)) {
    if (ownerOfName(name) !== nick || typeof value !== "object" || value === null) continue;
    const entry = value as Record<string, unknown>;
    info[name] = { muted: entry["muted"] === true, videoType: entry["videoType"] === "desktop" ? "desktop" : "camera" };
  }
  return info;
}

/** COMPAT(jitsi-meet): a time in ms; older ones write `true`. */
function parseRaisedHand(text: string): number | null {
  if (text === "true") return 1;
  const at = Number(text);
  return Number.isFinite(at) && at > 0 ? at : null;
}

function shortText(text: string | undefined): string | null {
  const trimmed = text?.trim() ?? "";
  return trimmed === "" ? null : trimmed.slice(0, DISPLAY_NAME_CHARACTERS_MAX);
}

function httpsUrl(text: string | undefined): string | null {
  return text !== undefined && text.startsWith("https://") ? text : null;
}

/** What we say about ourselves. */
export interface OwnPresence {
  readonly displayName: string;
  readonly statsId: string;
  readonly capsVersion: string;
  readonly sourceInfo: SourceInfo;
  readonly codecList: readonly string[];
  readonly raisedHandAt: number | null;
  readonly avatarUrl: string | null;
  readonly email: string | null;
}

export const CAPS_NODE = "https://jitsi.org/jitsi-meet";

/** `join`: the presence that enters the room, with its password if it has one. */
export function ownPresence(to: string, own: OwnPresence, join: { readonly password: string | null; readonly billingId: string | null } | null): XmlElement {
  return xml(
    "presence",
    NS.client,
    { to },
    join === null
      ? null
      : xml(
          "x",
          NS.muc,
          {},
          join.password === null ? null : xml("password", NS.muc, {}, join.password),
          join.billingId === null ? null : xml("billingid", NS.muc, {}, join.billingId),
        ),
    xml("stats-id", NS.client, {}, own.statsId),
    xml("c", NS.caps, { hash: "sha-1", node: CAPS_NODE, ver: own.capsVersion }),
    xml("SourceInfo", NS.client, {}, sourceInfoJson(own.sourceInfo)),
    xml("jitsi_participant_codecList", NS.client, {}, own.codecList.join(",")),
    xml("jitsi_participant_raisedHand", NS.client, {}, own.raisedHandAt === null ? "" : String(own.raisedHandAt)),
    own.displayName === "" ? null : xml("nick", NS.nick, {}, own.displayName),
    own.avatarUrl === null ? null : xml("avatar-url", NS.client, {}, own.avatarUrl),
    own.email === null ? null : xml("email", NS.client, {}, own.email),
  );
}

/** A camera's entry carries no `videoType`. */
function sourceInfoJson(info: SourceInfo): string {
  return JSON.stringify(
    Object.fromEntries(
      Object.entries(info).map(([name, state]) => [name, state.videoType === "desktop" ? { muted: state.muted, videoType: "desktop" } : { muted: state.muted }]),
    ),
  );
}
