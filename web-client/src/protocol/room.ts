/** Requests and messages of a Jitsi room: owner's form, moderation, chat, service messages. */

import * as v from "valibot";
import { NS } from "./ns";
import { xml, type XmlElement } from "./xml";

export type ModeratedMedia = "audio" | "video" | "desktop";

const MUTE_NS: Readonly<Record<ModeratedMedia, string>> = { audio: NS.jitsiAudio, video: NS.jitsiVideo, desktop: NS.jitsiDesktop };

/** Asks the focus to mute `jid` (its address in the room). */
export function muteElement(media: ModeratedMedia, jid: string): XmlElement {
  return xml("mute", MUTE_NS[media], { jid }, "true");
}

/** What the focus passes on to the person who is muted. */
export function parseMute(iq: XmlElement): { readonly media: ModeratedMedia; readonly actor: string | null } | null {
  for (const media of ["audio", "video", "desktop"] as const) {
    const element = iq.child("mute", MUTE_NS[media]);
    if (element?.text.trim() === "true") return { media, actor: element.attr("actor") };
  }
  return null;
}

export function kickElement(nick: string, reason: string | null): XmlElement {
  return xml("query", NS.mucAdmin, {}, xml("item", NS.mucAdmin, { nick, role: "none" }, reason === null ? null : xml("reason", NS.mucAdmin, {}, reason)));
}

export function affiliationElement(items: readonly { readonly jid: string; readonly affiliation: string }[]): XmlElement {
  return xml("query", NS.mucAdmin, {}, ...items.map((item) => xml("item", NS.mucAdmin, { jid: item.jid, affiliation: item.affiliation })));
}

export interface RoomConfigChange {
  readonly password: string | null;
  readonly membersOnly: boolean;
}

export function roomConfigElement(change: RoomConfigChange): XmlElement {
  const field = (name: string, value: string): XmlElement => xml("field", NS.dataForms, { var: name }, xml("value", NS.dataForms, {}, value));
  return xml(
    "query",
    NS.mucOwner,
    {},
    xml(
      "x",
      NS.dataForms,
      { type: "submit" },
      field("FORM_TYPE", NS.mucRoomConfig),
      field("muc#roomconfig_roomsecret", change.password ?? ""),
      field("muc#roomconfig_passwordprotectedroom", change.password === null ? "0" : "1"),
      field("muc#roomconfig_membersonly", change.membersOnly ? "1" : "0"),
      field("muc#roomconfig_whois", "anyone"),
    ),
  );
}

export interface ChatStanza {
  readonly id: string | null;
  readonly type: "groupchat" | "chat" | "error";
  readonly from: string;
  readonly text: string;
  /** ms since 1970, when the room replays it. */
  readonly delayedAt: number | null;
  readonly displayName: string | null;
}

/** Longest chat text shown. */
export const CHAT_CHARACTERS_MAX = 16_384;

export function parseChat(stanza: XmlElement): ChatStanza | null {
  const from = stanza.attr("from");
  const type = stanza.attr("type");
  const body = stanza.child("body");
  if (from === null || body === null || (type !== "groupchat" && type !== "chat" && type !== "error")) return null;
  const stamp = stanza.child("delay", NS.delay)?.attr("stamp");
  const at = stamp === undefined || stamp === null ? NaN : Date.parse(stamp);
  return {
    id: stanza.attr("id"),
    type,
    from,
    text: body.text.slice(0, CHAT_CHARACTERS_MAX),
    delayedAt: Number.isNaN(at) ? null : at,
    displayName: stanza.child("display-name")?.text ?? stanza.child("nick", NS.nick)?.text ?? null,
  };
}

const serviceMessage = v.variant("type", [
  v.object({ type: v.literal("room_metadata"), metadata: v.record(v.string(), v.unknown()) }),
  v.looseObject({
    type: v.literal("av_moderation"),
    enabled: v.optional(v.boolean()),
    mediaType: v.picklist(["audio", "video", "desktop"]),
    actor: v.optional(v.string()),
    approved: v.optional(v.boolean()),
    removed: v.optional(v.union([v.boolean(), v.array(v.string())])),
    whitelists: v.optional(v.record(v.string(), v.array(v.string()))),
  }),
]);
export type ServiceMessage = v.InferOutput<typeof serviceMessage>;

/** The JSON a room service sends; null for types that are not ours to read. */
export function parseServiceMessage(stanza: XmlElement): ServiceMessage | null {
  const element = stanza.child("json-message");
  if (element === null) return null;
  let json: unknown;
  try {
    json = JSON.parse(element.text);
  } catch {
    return null;
  }
  const result = v.safeParse(serviceMessage, json);
  return result.success ? result.output : null;
}
