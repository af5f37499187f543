/**
 * One stay in the room over one XMPP session: conference request, login, entering, media plane. When the session is lost
 * for good the attendance is over, and the meeting makes another one.
 */

import type { Environment } from "../clock";
import type { ClientConfig } from "../config";
import { ClientError } from "../errors";
import { Emitter, type Events } from "../reactive";
import type { Capabilities } from "../media/capabilities";
import type { ConferenceAnswer } from "../protocol/conference-request";
import { parseDiscoInfo, parseExternalServices, parseServices, type IceServer, type Services } from "../protocol/disco";
import { bareJid, nodeOf, resourceOf } from "../protocol/jid";
import { parseJingle } from "../protocol/jingle";
import { NS } from "../protocol/ns";
import type { OwnPresence } from "../protocol/presence";
import { parseMute, parseServiceMessage, type ModeratedMedia, type ServiceMessage } from "../protocol/room";
import { xml, type XmlElement } from "../protocol/xml";
import { randomHex } from "../clock";
import { XmppSession, type IqReply, type SessionState } from "../xmpp/session";
import { requestConference } from "./conference-request";
import { MediaPlane, type MakeConnection } from "./media-plane";
import type { Credentials } from "./meeting";
import { Room, type RoomEvent } from "./room";

export interface AttendanceOptions {
  readonly room: string;
  readonly config: ClientConfig;
  readonly environment: Environment;
  readonly capabilities: Capabilities;
  readonly makeConnection: MakeConnection;
  readonly credentials: Credentials | null;
  readonly onWaitingForHost: () => void;
  readonly cancelled: () => boolean;
}

export type AttendanceEvent =
  | RoomEvent
  | { readonly kind: "session"; readonly state: SessionState }
  | { readonly kind: "muted-by"; readonly media: ModeratedMedia; readonly actor: string | null }
  | { readonly kind: "service"; readonly from: string; readonly message: ServiceMessage }
  /** Let in from the lobby. */
  | { readonly kind: "invited"; readonly password: string | null };

const NO_SERVICES: Services = { avModeration: null, speakerStats: null, lobby: null, endConference: null, roomMetadata: null };

export class Attendance {
  readonly session: XmppSession;
  readonly room: Room;
  readonly plane: MediaPlane;
  readonly events: Events<AttendanceEvent>;
  services: Services = NO_SERVICES;
  readonly #events = new Emitter<AttendanceEvent>();
  readonly #options: AttendanceOptions;
  #iceServers: readonly IceServer[] = [];
  /** The lobby's room, while in it. */
  #lobby: Room | null = null;
  #closed = false;

  private constructor(options: AttendanceOptions, session: XmppSession, answer: ConferenceAnswer) {
    this.#options = options;
    this.session = session;
    this.events = this.#events;
    const { config, environment } = options;
    const ownNick = nickFor(session.jid, environment);
    this.room = new Room(session, `${options.room}@${config.mucDomain}`, ownNick, config.focusUserJid ?? answer.focusJid);
    this.plane = new MediaPlane({
      endpointId: ownNick,
      link: session,
      focus: this.room.focusAddress,
      config,
      environment,
      capabilities: options.capabilities,
      makeConnection: options.makeConnection,
      iceServers: () => this.#iceServers,
      roomAddress: (nick) => this.room.address(nick),
    });
    this.room.events.subscribe((event) => {
      this.#onRoomEvent(event);
    });
    session.state.subscribe((state) => {
      if (!this.#closed) this.#events.emit({ kind: "session", state });
    });
    session.serve((iq) => this.#serve(iq));
  }

  /** Null when cancelled meanwhile. */
  static async begin(options: AttendanceOptions): Promise<Attendance | null> {
    const { config, environment, credentials } = options;
    const asMember = credentials !== null || config.login;
    const request = {
      room: options.room,
      config,
      environment,
      onWaitingForHost: options.onWaitingForHost,
      cancelled: options.cancelled,
    };
    const connect = (): Promise<XmppSession> =>
      XmppSession.connect(
        {
          webSocketUrl: config.webSocketUrl,
          domain: asMember ? config.domain : (config.anonymousDomain ?? config.domain),
          credentials,
          query: { room: options.room, ...(config.jwt === null ? {} : { token: config.jwt }) },
          resumption: config.streamResumption,
        },
        environment,
      );
    // Over HTTP both go at the same time. A member's request has to come from the member's own stream.
    const overHttp = config.conferenceRequestUrl !== null && credentials === null;
    let session: XmppSession | null = null;
    const early: XmlElement[] = [];
    try {
      let answer: ConferenceAnswer | null;
      if (overHttp) {
        const connecting = connect();
        const asking = requestConference({ ...request, link: null });
        // A failed login must not wait for a focus that isn't there.
        [session, answer] = await Promise.all([connecting, asking]).catch(async (error: unknown) => {
          (await connecting.catch(() => null))?.close();
          throw error;
        });
      } else {
        session = await connect();
        const stop = session.stanzas.subscribe((stanza) => early.push(stanza));
        answer = await requestConference({ ...request, link: session });
        stop();
      }
      if (answer === null) {
        session.close();
        return null;
      }
      const attendance = new Attendance(options, session, answer);
      for (const stanza of early) attendance.#receive(stanza);
      session.stanzas.subscribe((stanza) => {
        attendance.#receive(stanza);
      });
      attendance.#discover();
      return attendance;
    } catch (error) {
      session?.close();
      throw error;
    }
  }

  enter(own: OwnPresence, password: string | null): void {
    this.room.join(own, password, null);
  }

  /** Knocks at the lobby, or, as a moderator, watches who knocks. */
  enterLobby(jid: string, own: OwnPresence): Room {
    this.#lobby ??= new Room(this.session, jid, this.room.ownNick, null);
    this.#lobby.join(own, null, null);
    return this.#lobby;
  }

  leaveLobby(): void {
    this.#lobby?.leave();
    this.#lobby = null;
  }

  get lobby(): Room | null {
    return this.#lobby;
  }

  /** After the focus went: asks until there is one again; it then invites us by itself. */
  async askForFocus(): Promise<boolean> {
    const { config, environment, room } = this.#options;
    const answer = await requestConference({
      room,
      config,
      environment,
      link: this.session,
      onWaitingForHost: () => undefined,
      cancelled: () => this.#closed,
    });
    return answer !== null;
  }

  /** To a room service, if the deployment has it; false if not. */
  tell(service: keyof Services, payload: XmlElement): boolean {
    const to = this.services[service];
    if (to === null) return false;
    this.session.send(xml("message", NS.client, { to, id: this.session.newId() }, payload));
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.plane.close();
    if (this.session.state.get().kind === "connected") {
      this.leaveLobby();
      this.room.leave();
    }
    this.session.close();
  }

  #receive(stanza: XmlElement): void {
    if (this.#closed) return;
    const from = stanza.attr("from");
    if (stanza.name === "message" && from !== null) {
      if (from === this.session.domain) this.#readPush(stanza);
      const service = parseServiceMessage(stanza);
      if (service !== null && Object.values(this.services).includes(from)) this.#events.emit({ kind: "service", from, message: service });
      const invite = bareJid(from) === this.room.jid ? stanza.child("x", NS.mucUser) : null;
      if (invite?.child("invite") != null) this.#events.emit({ kind: "invited", password: invite.child("password")?.text ?? null });
    }
    if (!this.room.handle(stanza)) this.#lobby?.handle(stanza);
  }

  /** COMPAT(prosody): Jitsi's servers push what disco would answer right after bind. */
  #readPush(stanza: XmlElement): void {
    const info = stanza.child("query", NS.discoInfo);
    if (info !== null) this.services = parseServices(parseDiscoInfo(info));
    const services = stanza.child("services", NS.extdisco2);
    if (services !== null) this.#iceServers = parseExternalServices(services);
  }

  #discover(): void {
    const { domain } = this.session;
    this.session.request("get", domain, xml("query", NS.discoInfo)).then(
      (answer) => {
        const query = answer.child("query", NS.discoInfo);
        if (query !== null) this.services = parseServices(parseDiscoInfo(query));
      },
      (error: unknown) => {
        console.debug("the server does not say what it offers", error);
      },
    );
    if (this.#iceServers.length > 0) return;
    this.session.request("get", domain, xml("services", NS.extdisco2)).then(
      (answer) => {
        const services = answer.child("services", NS.extdisco2);
        if (services !== null) this.#iceServers = parseExternalServices(services);
      },
      (error: unknown) => {
        console.debug("no external services", error);
      },
    );
  }

  #onRoomEvent(event: RoomEvent): void {
    if (this.#closed) return;
    this.#events.emit(event);
    switch (event.kind) {
      case "joined":
      case "occupant-joined":
      case "occupant-left":
      case "occupant-changed":
        if (this.room.self !== null) this.plane.setOthers(this.room.occupants.filter((occupant) => !occupant.bot).map((occupant) => occupant.nick));
        break;
      case "focus-left":
        this.plane.dropBridge();
        break;
      case "join-refused":
      case "self-changed":
      case "removed":
      case "focus-here":
      case "chat":
      case "settings-changed":
        break;
    }
  }

  #serve(iq: XmlElement): IqReply | null {
    if (iq.attr("type") !== "set" || this.#closed) return null;
    const from = iq.attr("from");
    if (from === null || bareJid(from) !== this.room.jid) return null;
    const element = iq.child("jingle", NS.jingle);
    if (element !== null) {
      const jingle = parseJingle(element);
      if (jingle === null) return { kind: "error", type: "modify", condition: "bad-request" };
      if (this.room.isFocus(from)) return jingle.action === "session-initiate" ? this.plane.onBridgeOffer(jingle) : this.plane.onBridgeJingle(jingle);
      const nick = resourceOf(from);
      if (nick === null || this.room.occupant(nick) === null) return { kind: "error", type: "auth", condition: "forbidden" };
      return this.plane.onPeerJingle(from, nick, jingle);
    }
    const mute = parseMute(iq);
    if (mute === null) return null;
    if (!this.room.isFocus(from)) return { kind: "error", type: "auth", condition: "forbidden" };
    this.#events.emit({ kind: "muted-by", media: mute.media, actor: mute.actor === null ? null : resourceOf(mute.actor) });
    return { kind: "result" };
  }
}

/** COMPAT(lib-jitsi-meet): the first 8 characters of a guest's address if they are hexadecimal, else at random. */
function nickFor(jid: string, environment: Environment): string {
  const start = nodeOf(jid)?.slice(0, 8) ?? "";
  return /^[0-9a-f]{8}$/.test(start) ? start : randomHex(environment.random, 8);
}

export function joinRefusal(condition: string, serverText: string | null): ClientError {
  switch (condition) {
    case "service-unavailable":
      return new ClientError("room-full", { serverText });
    case "jid-malformed":
      return new ClientError("room-name-invalid", { serverText });
    default:
      return new ClientError("join-refused", { serverText });
  }
}
