/** The room (XEP-0045) as this client is in it: who is here, what they say of themselves, and what may be asked of it. */

import { Emitter, type Events } from "../reactive";
import { parseDiscoInfo } from "../protocol/disco";
import { bareJid, resourceOf } from "../protocol/jid";
import { NS } from "../protocol/ns";
import { ownPresence, parseRoomPresence, type Occupant, type OwnPresence, type RoomPresence } from "../protocol/presence";
import { affiliationElement, kickElement, muteElement, parseChat, roomConfigElement, type ChatStanza, type ModeratedMedia } from "../protocol/room";
import type { StanzaError } from "../protocol/stanza-error";
import { xml, type XmlElement } from "../protocol/xml";
import type { Link } from "./bridge-session";

export type RoomEvent =
  | { readonly kind: "joined"; readonly self: Occupant }
  | { readonly kind: "join-refused"; readonly error: StanzaError }
  | { readonly kind: "self-changed"; readonly self: Occupant; readonly before: Occupant }
  | { readonly kind: "occupant-joined"; readonly occupant: Occupant }
  | { readonly kind: "occupant-changed"; readonly occupant: Occupant; readonly before: Occupant }
  | { readonly kind: "occupant-left"; readonly occupant: Occupant; readonly kicked: boolean; readonly actor: string | null }
  | { readonly kind: "removed"; readonly cause: "kicked" | "destroyed" | "gone"; readonly actor: string | null; readonly text: string | null }
  | { readonly kind: "focus-here"; readonly occupant: Occupant }
  | { readonly kind: "focus-left" }
  | { readonly kind: "chat"; readonly chat: ChatStanza }
  | { readonly kind: "settings-changed" };

export interface RoomSettings {
  readonly passwordProtected: boolean;
  readonly membersOnly: boolean;
  readonly createdAt: number | null;
  readonly lobbyJid: string | null;
}

const FOCUS_NICK = "focus";
const STATUS_KICKED = 307;
const STATUS_CONFIG_CHANGED = 104;

export class Room {
  readonly jid: string;
  readonly ownNick: string;
  readonly events: Events<RoomEvent>;
  readonly #events = new Emitter<RoomEvent>();
  readonly #link: Link;
  readonly #focusUser: string | null;
  readonly #occupants = new Map<string, Occupant>();
  #self: Occupant | null = null;
  /** What the others were told of us last. */
  #told = "";
  #focusHere = false;

  /** `focusUser`: bare address the focus must have; null trusts the nickname. */
  constructor(link: Link, jid: string, ownNick: string, focusUser: string | null) {
    this.#link = link;
    this.jid = jid;
    this.ownNick = ownNick;
    this.#focusUser = focusUser;
    this.events = this.#events;
  }

  /** The others, in the order they came; neither focus nor ourselves. */
  get occupants(): readonly Occupant[] {
    return [...this.#occupants.values()];
  }

  get self(): Occupant | null {
    return this.#self;
  }

  get focusAddress(): string {
    return `${this.jid}/${FOCUS_NICK}`;
  }

  address(nick: string): string {
    return `${this.jid}/${nick}`;
  }

  /** The real focus, in this room, now. */
  isFocus(from: string | null): boolean {
    return this.#focusHere && from === this.focusAddress;
  }

  occupant(nick: string): Occupant | null {
    return this.#occupants.get(nick) ?? null;
  }

  join(own: OwnPresence, password: string | null, billingId: string | null): void {
    this.#told = JSON.stringify(own);
    this.#link.send(ownPresence(this.address(this.ownNick), own, { password, billingId }));
  }

  /** Tells the others what has changed of us; what they know already isn't sent. */
  publish(own: OwnPresence): void {
    const news = JSON.stringify(own);
    if (news === this.#told) return;
    this.#told = news;
    this.#link.send(ownPresence(this.address(this.ownNick), own, null));
  }

  leave(): void {
    this.#link.send(xml("presence", NS.client, { to: this.address(this.ownNick), type: "unavailable" }));
  }

  sendChat(text: string, id: string, privateTo: string | null): void {
    const attrs = privateTo === null ? { to: this.jid, type: "groupchat", id } : { to: this.address(privateTo), type: "chat", id };
    this.#link.send(xml("message", NS.client, attrs, xml("body", NS.client, {}, text)));
  }

  mute(nick: string, media: ModeratedMedia): Promise<XmlElement> {
    return this.#link.request("set", this.focusAddress, muteElement(media, this.address(nick)));
  }

  kick(nick: string, reason: string | null): Promise<XmlElement> {
    return this.#link.request("set", this.jid, kickElement(nick, reason));
  }

  setAffiliations(items: readonly { readonly jid: string; readonly affiliation: string }[]): Promise<XmlElement> {
    return this.#link.request("set", this.jid, affiliationElement(items));
  }

  configure(password: string | null, membersOnly: boolean): Promise<XmlElement> {
    return this.#link.request("set", this.jid, roomConfigElement({ password, membersOnly }));
  }

  async readSettings(): Promise<RoomSettings> {
    const answer = await this.#link.request("get", this.jid, xml("query", NS.discoInfo));
    const info = parseDiscoInfo(answer.child("query", NS.discoInfo) ?? xml("query", NS.discoInfo));
    const created = Number(info.fields.get("muc#roominfo_created_timestamp"));
    return {
      passwordProtected: info.features.has("muc_passwordprotected"),
      membersOnly: info.features.has("muc_membersonly"),
      createdAt: Number.isFinite(created) && created > 0 ? created : null,
      lobbyJid: info.fields.get("muc#roominfo_lobbyroom") ?? null,
    };
  }

  /** True when the stanza was this room's. */
  handle(stanza: XmlElement): boolean {
    const from = stanza.attr("from");
    if (from === null || bareJid(from) !== this.jid) return false;
    if (stanza.name === "presence") {
      const presence = parseRoomPresence(stanza);
      if (presence !== null) this.#onPresence(presence);
      return true;
    }
    if (stanza.name !== "message") return false;
    const statuses = stanza.child("x", NS.mucUser)?.all("status") ?? [];
    if (statuses.some((status) => Number(status.attr("code")) === STATUS_CONFIG_CHANGED)) this.#events.emit({ kind: "settings-changed" });
    const chat = parseChat(stanza);
    if (chat !== null && resourceOf(chat.from) !== FOCUS_NICK) this.#events.emit({ kind: "chat", chat });
    return true;
  }

  #onPresence(presence: RoomPresence): void {
    switch (presence.kind) {
      case "error":
        if (this.#self === null) this.#events.emit({ kind: "join-refused", error: presence.error });
        break;
      case "available":
        if (presence.self || presence.occupant.nick === this.ownNick) this.#onSelf(presence.occupant);
        else if (presence.occupant.nick === FOCUS_NICK) this.#onFocus(presence.occupant);
        else this.#onOccupant(presence.occupant);
        break;
      case "unavailable":
        this.#onGone(presence);
        break;
    }
  }

  #onSelf(self: Occupant): void {
    const before = this.#self;
    this.#self = self;
    this.#events.emit(before === null ? { kind: "joined", self } : { kind: "self-changed", self, before });
  }

  /** Anybody could take the nickname: the real address decides, where the room shows it. */
  #onFocus(occupant: Occupant): void {
    const trusted = this.#focusUser === null || (occupant.realJid !== null && bareJid(occupant.realJid) === bareJid(this.#focusUser));
    if (!trusted) return;
    this.#focusHere = true;
    this.#events.emit({ kind: "focus-here", occupant });
  }

  #onOccupant(occupant: Occupant): void {
    const before = this.#occupants.get(occupant.nick);
    this.#occupants.set(occupant.nick, occupant);
    this.#events.emit(before === undefined ? { kind: "occupant-joined", occupant } : { kind: "occupant-changed", occupant, before });
  }

  #onGone(presence: Extract<RoomPresence, { kind: "unavailable" }>): void {
    const kicked = presence.statusCodes.includes(STATUS_KICKED);
    if (presence.self || presence.nick === this.ownNick) {
      const cause = presence.destroyed !== null ? "destroyed" : kicked ? "kicked" : "gone";
      this.#events.emit({ kind: "removed", cause, actor: presence.actor, text: presence.destroyed?.reason ?? presence.reason });
      return;
    }
    if (presence.nick === FOCUS_NICK) {
      if (!this.#focusHere) return;
      this.#focusHere = false;
      this.#events.emit({ kind: "focus-left" });
      return;
    }
    const occupant = this.#occupants.get(presence.nick);
    if (occupant === undefined) return;
    this.#occupants.delete(presence.nick);
    this.#events.emit({ kind: "occupant-left", occupant, kicked, actor: presence.actor });
  }
}
