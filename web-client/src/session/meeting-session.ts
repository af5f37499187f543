/** The meeting: one object for the interface from the pre-join page to the end, over as many attendances as the network asks for. */

import type { Environment } from "../clock";
import type { ClientConfig } from "../config";
import { asClientError, ClientError } from "../errors";
import { Emitter, Signal, type Readable, type Unsubscribe } from "../reactive";
import type { Capabilities } from "../media/capabilities";
import type { LocalMedia } from "../media/local-media";
import type { BridgeMessage } from "../protocol/bridge-channel";
import { bareJid } from "../protocol/jid";
import { NS } from "../protocol/ns";
import type { ModeratedMedia } from "../protocol/room";
import { StanzaError } from "../protocol/stanza-error";
import { xml } from "../protocol/xml";
import { Attendance, joinRefusal, type AttendanceEvent } from "./attendance";
import { AudioActivity, type Heard } from "./audio-activity";
import { ChatLog } from "./chat-log";
import type { MakeConnection } from "./media-plane";
import type {
  AudioSource,
  DeviceChoice,
  EndReason,
  JoinOptions,
  LocalParticipant,
  MediaPath,
  Meeting,
  MeetingPhase,
  Notice,
  ParticipantId,
  RemoteParticipant,
  RoomState,
  VideoSource,
  ViewRequest,
} from "./meeting";
import { Throttle } from "./receive-plan";
import { OwnSide, type SlotChange } from "./own-side";
import type { Room, RoomEvent } from "./room";
import { RoomRules } from "./room-rules";
import { audioSourceViews, participantView, roleOf, sameList, videoSourceViews } from "./views";

export interface MeetingDependencies {
  readonly config: ClientConfig;
  readonly environment: Environment;
  readonly capabilities: Capabilities;
  readonly localMedia: LocalMedia;
  /** Loudness of our microphone. */
  readonly ownLevel: Readable<number>;
  readonly makeConnection: MakeConnection;
  readonly capsVersion: () => Promise<string>;
}

/** Presence is published at most this often. */
export const PRESENCE_INTERVAL_MS = 100;
/** After a loss the room is entered anew until this much time has passed. */
export const REJOIN_WINDOW_MS = 300_000;
export const REJOIN_DELAY_FIRST_MS = 500;
export const REJOIN_DELAY_MAX_MS = 10_000;
export class MeetingSession implements Meeting {
  readonly room: string;
  readonly phase: Readable<MeetingPhase>;
  readonly local: Readable<LocalParticipant>;
  readonly participants: Readable<readonly RemoteParticipant[]>;
  readonly videoSources: Readable<readonly VideoSource[]>;
  readonly audioSources: Readable<readonly AudioSource[]>;
  readonly audioLevels: Readable<ReadonlyMap<ParticipantId, number>>;
  readonly ownLevel: Readable<number>;
  readonly dominantSpeaker: Readable<ParticipantId | null>;
  readonly mediaPath: Readable<MediaPath>;
  readonly chat: ChatLog["messages"];
  readonly roomState: Readable<RoomState>;
  readonly devices: LocalMedia["devices"];
  readonly deviceChoice: Readable<DeviceChoice>;
  readonly notices: Emitter<Notice>;

  readonly #deps: MeetingDependencies;
  readonly #phase = new Signal<MeetingPhase>({ kind: "idle" });
  readonly #own: OwnSide;
  readonly #participants = new Signal<readonly RemoteParticipant[]>([]);
  readonly #videoSources = new Signal<readonly VideoSource[]>([]);
  readonly #audioSources = new Signal<readonly AudioSource[]>([]);
  readonly #dominant = new Signal<ParticipantId | null>(null);
  readonly #mediaPath = new Signal<MediaPath>("none");
  readonly #rules = new RoomRules();
  readonly #activity: AudioActivity;
  readonly #notices = new Emitter<Notice>();
  readonly #chat = new ChatLog();
  readonly #interrupted = new Set<ParticipantId>();
  readonly #joinedAt = new Map<ParticipantId, number>();
  readonly #presence: Throttle;
  readonly #subscriptions: Unsubscribe[] = [];
  #options: JoinOptions | null = null;
  #roomPassword: string | null = null;
  #attendance: Attendance | null = null;
  /** Counts attempts to attend; what belongs to an older one is void. */
  #generation = 0;
  #view: ViewRequest | null = null;
  #joinedSince: number | null = null;
  #losingSince: number | null = null;
  #rejoinAttempt = 0;
  #cancelRejoin: (() => void) | null = null;

  constructor(room: string, deps: MeetingDependencies) {
    this.room = room;
    this.#deps = deps;
    const media = deps.localMedia;
    this.#own = new OwnSide(deps.config, deps.environment, media);
    this.phase = this.#phase;
    this.local = this.#own.local;
    this.participants = this.#participants;
    this.videoSources = this.#videoSources;
    this.audioSources = this.#audioSources;
    this.#activity = new AudioActivity(
      deps.environment.clock,
      () => this.#heard,
      (id) => {
        // Through the server, the bridge says who speaks.
        if (this.#mediaPath.get() !== "direct" || this.#dominant.get() === id) return;
        this.#dominant.set(id);
        this.#refreshParticipants();
      },
    );
    this.audioLevels = this.#activity.levels;
    this.ownLevel = deps.ownLevel;
    this.dominantSpeaker = this.#dominant;
    this.mediaPath = this.#mediaPath;
    this.chat = this.#chat.messages;
    this.roomState = this.#rules.state;
    this.devices = media.devices;
    this.deviceChoice = media.selection;
    this.notices = this.#notices;
    this.#presence = new Throttle(deps.environment.clock, PRESENCE_INTERVAL_MS, () => {
      if (this.#attendance?.room.self != null) this.#attendance.room.publish(this.#own.presence(this.#attendance.room.ownNick));
    });
    this.#subscriptions.push(
      this.#own.slotChanges.subscribe((change) => {
        this.#onSlot(change);
      }),
      this.#own.changed.subscribe(() => {
        this.#presence.request();
      }),
      this.#rules.notices.subscribe((notice) => {
        this.#notices.emit(notice);
      }),
      media.events.subscribe((event) => {
        this.#notices.emit({ kind: "device-changed", media: event.media });
      }),
    );
  }

  async join(options: JoinOptions): Promise<void> {
    const { kind } = this.#phase.get();
    this.#options = options;
    this.#roomPassword = options.roomPassword ?? this.#roomPassword;
    if (options.displayName !== "") this.#own.change({ displayName: options.displayName });
    switch (kind) {
      case "idle":
      case "waiting-for-host":
        await this.#attend();
        break;
      case "room-password-required":
        if (this.#attendance === null) await this.#attend();
        else {
          this.#phase.set({ kind: "joining" });
          this.#attendance.enter(this.#own.presence(this.#attendance.room.ownNick), this.#roomPassword);
        }
        break;
      case "joining":
      case "lobby":
      case "joined":
      case "reconnecting":
      case "ended":
        break;
    }
  }

  async leave(): Promise<void> {
    this.#end({ kind: "left" });
    await Promise.resolve();
  }

  async endForAll(): Promise<void> {
    const told = this.#attendance?.tell("endConference", xml("end_conference", NS.jitsiMeet)) ?? false;
    if (!told) throw new ClientError("not-allowed");
    await Promise.resolve();
  }

  async setMicrophone(on: boolean): Promise<void> {
    if (on && this.#refusesUnmute("audio")) return;
    await this.#deps.localMedia.setMicrophone(on);
  }

  async setCamera(on: boolean): Promise<void> {
    if (on && this.#refusesUnmute("video")) return;
    await this.#deps.localMedia.setCamera(on);
  }

  async shareScreen(on: boolean): Promise<void> {
    await this.#deps.localMedia.setScreen(on);
  }

  async setDevices(choice: Partial<DeviceChoice>): Promise<void> {
    await this.#deps.localMedia.select(choice);
  }

  async refreshDevices(): Promise<void> {
    await this.#deps.localMedia.refreshDevices();
  }

  sendChat(text: string, privateTo?: ParticipantId): void {
    const attendance = this.#attendance;
    const trimmed = text.trim();
    if (attendance === null || trimmed === "") return;
    const id = attendance.session.newId();
    attendance.room.sendChat(trimmed, id, privateTo ?? null);
    this.#chat.addOwn({
      id,
      from: attendance.room.ownNick,
      displayName: this.#own.local.get().displayName,
      privateWith: privateTo ?? null,
      text: trimmed,
      sentAt: this.#deps.environment.clock.now(),
    });
  }

  raiseHand(up: boolean): void {
    this.#own.announce({ raisedHandAt: up ? this.#deps.environment.clock.now() : null });
  }

  setDisplayName(name: string): void {
    this.#own.announce({ displayName: name.trim() });
  }

  setReceiverConstraints(view: ViewRequest): void {
    this.#view = view;
    this.#attendance?.plane.setView(view);
  }

  async muteParticipant(id: ParticipantId, media: ModeratedMedia): Promise<void> {
    await this.#moderate((room) => room.mute(id, media));
  }

  async kick(id: ParticipantId, reason?: string): Promise<void> {
    await this.#moderate((room) => room.kick(id, reason ?? null));
  }

  async grantModerator(id: ParticipantId): Promise<void> {
    await this.#moderate((room) => {
      const jid = room.occupant(id)?.realJid;
      if (jid === null || jid === undefined) throw new ClientError("not-allowed");
      return room.setAffiliations([{ jid: bareJid(jid), affiliation: "owner" }]);
    });
  }

  lowerHand(id: ParticipantId): void {
    this.#attendance?.plane.send({ colibriClass: "EndpointMessage", to: id, msgPayload: { name: "lower-hand-message" } });
  }

  async setRoomPassword(password: string | null): Promise<void> {
    await this.#moderate((room) => room.configure(password === "" ? null : password, this.#rules.state.get().lobbyEnabled));
    this.#roomPassword = password === "" ? null : password;
  }

  async setLobby(on: boolean): Promise<void> {
    await this.#moderate(async (room) => {
      if (on) {
        // Whoever is here already stays entitled to be.
        const members = room.occupants.flatMap((occupant) =>
          occupant.affiliation === "none" && occupant.realJid !== null ? [{ jid: bareJid(occupant.realJid), affiliation: "member" }] : [],
        );
        if (members.length > 0) await room.setAffiliations(members);
      }
      return room.configure(this.#roomPassword, on);
    });
  }

  async admitFromLobby(id: string): Promise<void> {
    const attendance = this.#attendance;
    const jid = attendance?.lobby?.occupant(id)?.realJid;
    if (attendance === null || jid === null || jid === undefined) throw new ClientError("not-allowed");
    const invite = xml("x", NS.mucUser, {}, xml("invite", NS.mucUser, { to: jid }));
    attendance.session.send(xml("message", NS.client, { to: attendance.room.jid, id: attendance.session.newId() }, invite));
    await Promise.resolve();
  }

  async denyFromLobby(id: string): Promise<void> {
    const lobby = this.#attendance?.lobby;
    if (lobby === null || lobby === undefined) throw new ClientError("not-allowed");
    await this.#allowed(lobby.kick(id, null));
  }

  // Attending.

  async #attend(): Promise<void> {
    this.#generation += 1;
    const generation = this.#generation;
    const current = (): boolean => generation === this.#generation;
    if (this.#losingSince === null) this.#phase.set({ kind: "joining" });
    try {
      this.#own.capsVersion = await this.#deps.capsVersion();
      const attendance = await Attendance.begin({
        room: this.room,
        config: this.#deps.config,
        environment: this.#deps.environment,
        capabilities: this.#deps.capabilities,
        makeConnection: this.#deps.makeConnection,
        credentials: this.#options?.credentials ?? null,
        onWaitingForHost: () => {
          if (current()) this.#phase.set({ kind: "waiting-for-host", canSignIn: (this.#options?.credentials ?? null) === null });
        },
        cancelled: () => !current(),
      });
      if (attendance === null) return;
      if (!current()) {
        attendance.close();
        return;
      }
      this.#adopt(attendance);
    } catch (error) {
      if (!current()) return;
      const reason = asClientError(error, "connection-failed");
      if (reason.category === "connection" && this.#losingSince !== null) this.#scheduleRejoin(reason);
      else this.#end({ kind: "failed", error: reason });
    }
  }

  #adopt(attendance: Attendance): void {
    this.#attendance = attendance;
    const mine = (): boolean => this.#attendance === attendance;
    attendance.events.subscribe((event) => {
      if (mine()) this.#onEvent(attendance, event);
    });
    attendance.plane.changed.subscribe(() => {
      if (mine()) this.#refreshSources();
    });
    attendance.plane.path.subscribe((path) => {
      if (!mine()) return;
      this.#mediaPath.set(path);
      this.#refreshSources();
    });
    attendance.plane.messages.subscribe((message) => {
      if (mine()) this.#onBridgeMessage(attendance, message);
    });
    for (const { slot, track } of this.#own.slots) void attendance.plane.setTrack(slot, track);
    if (this.#view !== null) attendance.plane.setView(this.#view);
    this.#own.change({ id: attendance.room.ownNick });
    attendance.enter(this.#own.presence(attendance.room.ownNick), this.#roomPassword);
  }

  #onEvent(attendance: Attendance, event: AttendanceEvent): void {
    switch (event.kind) {
      case "session":
        this.#onSession(event.state.kind);
        break;
      case "muted-by":
        this.#onMutedBy(event.media, event.actor);
        break;
      case "service":
        this.#rules.onService(event.message);
        this.#refreshForceMuted();
        break;
      case "invited":
        if (this.#phase.get().kind !== "lobby") break;
        this.#roomPassword = event.password ?? this.#roomPassword;
        attendance.leaveLobby();
        this.#phase.set({ kind: "joining" });
        attendance.enter(this.#own.presence(attendance.room.ownNick), this.#roomPassword);
        break;
      case "joined":
      case "join-refused":
      case "self-changed":
      case "occupant-joined":
      case "occupant-changed":
      case "occupant-left":
      case "removed":
      case "focus-here":
      case "focus-left":
      case "chat":
      case "settings-changed":
        this.#onRoom(attendance, event);
        break;
    }
  }

  #onSession(kind: "connected" | "resuming" | "lost" | "closed"): void {
    switch (kind) {
      case "resuming":
        this.#phase.set({ kind: "reconnecting", since: this.#deps.environment.clock.now() });
        break;
      case "connected":
        if (this.#phase.get().kind === "reconnecting" && this.#joinedSince !== null) this.#phase.set({ kind: "joined", since: this.#joinedSince });
        break;
      case "lost":
        this.#lost();
        break;
      case "closed":
        break;
    }
  }

  /** The attendance is over against our will; another one is begun. */
  #lost(): void {
    this.#detach();
    if (this.#joinedSince === null) {
      this.#end({ kind: "failed", error: new ClientError("connection-lost") });
      return;
    }
    this.#losingSince ??= this.#deps.environment.clock.now();
    this.#phase.set({ kind: "reconnecting", since: this.#losingSince });
    this.#scheduleRejoin(new ClientError("connection-lost"));
  }

  #scheduleRejoin(error: ClientError): void {
    const { clock, random } = this.#deps.environment;
    if (this.#losingSince !== null && clock.now() - this.#losingSince > REJOIN_WINDOW_MS) {
      this.#end({ kind: "failed", error });
      return;
    }
    const backoff = Math.min(REJOIN_DELAY_MAX_MS, REJOIN_DELAY_FIRST_MS * 2 ** this.#rejoinAttempt);
    this.#rejoinAttempt += 1;
    this.#cancelRejoin?.();
    this.#cancelRejoin = clock.after(backoff * (0.5 + random()), () => {
      void this.#attend();
    });
  }

  #onRoom(attendance: Attendance, event: RoomEvent): void {
    const { clock } = this.#deps.environment;
    switch (event.kind) {
      case "joined":
        this.#losingSince = null;
        this.#rejoinAttempt = 0;
        this.#joinedSince ??= clock.now();
        this.#own.change({ role: roleOf(event.self) });
        this.#phase.set({ kind: "joined", since: this.#joinedSince });
        this.#activity.start();
        this.#readSettings(attendance);
        this.#refreshParticipants();
        // A device that opened on the way in was not in the presence we entered with.
        this.#presence.request();
        break;
      case "join-refused":
        this.#onRefused(attendance, event.error);
        break;
      case "self-changed":
        if (roleOf(event.self) !== roleOf(event.before)) {
          this.#own.change({ role: roleOf(event.self) });
          this.#notices.emit({ kind: "role-changed", role: roleOf(event.self) });
          this.#readSettings(attendance);
          this.#refreshForceMuted();
        }
        break;
      case "occupant-joined":
        this.#joinedAt.set(event.occupant.nick, clock.now());
        if (attendance.room.self !== null) {
          this.#notices.emit({ kind: "participant-joined", id: event.occupant.nick, displayName: event.occupant.displayName });
        }
        this.#refreshParticipants();
        break;
      case "occupant-changed":
        this.#refreshParticipants();
        break;
      case "occupant-left":
        this.#joinedAt.delete(event.occupant.nick);
        this.#interrupted.delete(event.occupant.nick);
        if (this.#dominant.get() === event.occupant.nick) this.#dominant.set(null);
        if (event.kicked) this.#notices.emit({ kind: "participant-kicked", who: event.occupant.displayName, by: this.#nameOf(event.actor) });
        else this.#notices.emit({ kind: "participant-left", id: event.occupant.nick, displayName: event.occupant.displayName });
        this.#refreshParticipants();
        break;
      case "removed":
        if (event.cause === "kicked") this.#end({ kind: "kicked", by: this.#nameOf(event.actor), text: event.text });
        else if (event.cause === "destroyed") this.#end({ kind: "closed", text: event.text });
        else this.#lost();
        break;
      case "focus-left":
        attendance.askForFocus().catch((error: unknown) => {
          if (this.#attendance === attendance) this.#end({ kind: "failed", error: asClientError(error, "focus-left") });
        });
        break;
      case "focus-here":
        break;
      case "chat":
        this.#chat.receive(event.chat, { ownNick: attendance.room.ownNick, now: clock.now(), nameOf: (nick) => this.#nameOf(nick) });
        break;
      case "settings-changed":
        this.#readSettings(attendance);
        break;
    }
  }

  #onRefused(attendance: Attendance, error: StanzaError): void {
    switch (error.condition) {
      case "not-authorized":
        this.#phase.set({ kind: "room-password-required", wrong: this.#roomPassword !== null });
        this.#roomPassword = null;
        break;
      case "registration-required": {
        const lobby = error.detail("lobbyroom")?.text ?? null;
        if (lobby === null) this.#end({ kind: "failed", error: joinRefusal(error.condition, error.text) });
        else this.#knock(attendance, lobby);
        break;
      }
      default:
        this.#end({ kind: "failed", error: joinRefusal(error.condition, error.text) });
    }
  }

  #knock(attendance: Attendance, jid: string): void {
    this.#phase.set({ kind: "lobby", denied: false });
    attendance.enterLobby(jid, this.#own.presence(attendance.room.ownNick)).events.subscribe((event) => {
      if (this.#attendance !== attendance || this.#phase.get().kind !== "lobby" || event.kind !== "removed") return;
      attendance.leaveLobby();
      if (event.cause === "kicked") {
        this.#phase.set({ kind: "lobby", denied: true });
        return;
      }
      // The lobby was taken away: the door is open.
      this.#phase.set({ kind: "joining" });
      attendance.enter(this.#own.presence(attendance.room.ownNick), this.#roomPassword);
    });
  }

  #readSettings(attendance: Attendance): void {
    this.#rules
      .read(attendance, {
        current: () => this.#attendance === attendance,
        moderator: () => this.#own.local.get().role === "moderator",
        own: () => this.#own.presence(attendance.room.ownNick),
      })
      .catch((error: unknown) => {
        console.debug("the room does not say how it is set", error);
      });
  }

  // What others do to us.

  #onMutedBy(media: ModeratedMedia, actor: string | null): void {
    this.#notices.emit({ kind: "muted-by-moderator", media, by: this.#nameOf(actor) });
    switch (media) {
      case "audio":
        void this.#deps.localMedia.setMicrophone(false);
        break;
      case "video":
        void this.#deps.localMedia.setCamera(false);
        break;
      case "desktop":
        void this.#deps.localMedia.setScreen(false);
        break;
    }
  }

  #refreshForceMuted(): void {
    const moderator = this.#own.local.get().role === "moderator";
    this.#own.change({
      audioForceMuted: !moderator && this.#rules.forceMuted("audio"),
      videoForceMuted: !moderator && this.#rules.forceMuted("video"),
    });
  }

  #refusesUnmute(media: "audio" | "video"): boolean {
    const { audioForceMuted, videoForceMuted } = this.#own.local.get();
    const refused = media === "audio" ? audioForceMuted : videoForceMuted;
    if (refused) this.#notices.emit({ kind: "unmute-refused", media });
    return refused;
  }

  #onBridgeMessage(attendance: Attendance, message: BridgeMessage): void {
    switch (message.colibriClass) {
      case "DominantSpeakerEndpointChangeEvent":
        this.#dominant.set(message.dominantSpeakerEndpoint);
        this.#refreshParticipants();
        if (message.dominantSpeakerEndpoint === attendance.room.ownNick) {
          attendance.tell("speakerStats", xml("speakerstats", NS.jitsiMeet, { room: attendance.room.jid, silence: message.silence }));
        }
        break;
      case "EndpointConnectivityStatusChangeEvent":
        if (String(message.active) === "false") this.#interrupted.add(message.endpoint);
        else this.#interrupted.delete(message.endpoint);
        this.#refreshParticipants();
        break;
      case "EndpointMessage":
        this.#onEndpointMessage(attendance, message.from ?? null, message.msgPayload);
        break;
      case "ServerHello":
      case "VideoSourcesMap":
      case "AudioSourcesMap":
      case "ForwardedSources":
      case "SenderSourceConstraints":
      case "ConnectionStats":
      case "EndpointStats":
      case "unknown":
        break;
    }
  }

  #onEndpointMessage(attendance: Attendance, from: string | null, payload: unknown): void {
    const name = typeof payload === "object" && payload !== null && "name" in payload ? payload.name : null;
    if (name !== "lower-hand-message" || from === null || attendance.room.occupant(from)?.moderator !== true) return;
    if (this.#own.local.get().raisedHandAt === null) return;
    this.raiseHand(false);
    this.#notices.emit({ kind: "hand-lowered-by-moderator" });
  }

  // Our own devices.

  #onSlot({ slot, track }: SlotChange): void {
    const plane = this.#attendance?.plane;
    if (plane === undefined) return;
    if (slot !== "screen") {
      void plane.setTrack(slot, track);
      return;
    }
    plane.setScreen(track).catch((error: unknown) => {
      this.#onScreenRefused(error);
    });
  }

  #onScreenRefused(error: unknown): void {
    if (error instanceof StanzaError && error.condition === "resource-constraint") {
      this.#notices.emit({ kind: "source-limit", media: "video" });
      void this.#deps.localMedia.setScreen(false);
    } else if (!(error instanceof ClientError && error.category === "connection")) {
      this.#notices.emit({ kind: "action-failed", action: "share-screen", error: asClientError(error, "server-error") });
    }
  }

  // What the interface sees.

  #nameOf(nick: string | null): string | null {
    if (nick === null) return null;
    if (nick === this.#attendance?.room.ownNick) return this.#own.local.get().displayName;
    return this.#attendance?.room.occupant(nick)?.displayName ?? null;
  }

  #refreshParticipants(): void {
    const occupants = this.#attendance?.room.occupants ?? [];
    const context = { dominant: this.#dominant.get(), interrupted: this.#interrupted, joinedAt: this.#joinedAt };
    this.#participants.set(
      sameList(
        this.#participants.get(),
        occupants.map((occupant) => participantView(occupant, context)),
      ),
    );
    this.#refreshSources();
  }

  get #heard(): Heard | null {
    const attendance = this.#attendance;
    if (attendance === null) return null;
    const owners = new Map(this.#audioSources.get().map((source) => [source.name, source.owner]));
    return { plane: attendance.plane, ownId: attendance.room.ownNick, ownerOf: (source) => owners.get(source) ?? null };
  }

  #refreshSources(): void {
    const attendance = this.#attendance;
    const occupants = attendance?.room.occupants ?? [];
    const played = attendance?.plane.played ?? [];
    this.#videoSources.set(sameList(this.#videoSources.get(), videoSourceViews(occupants, played)));
    this.#audioSources.set(sameList(this.#audioSources.get(), audioSourceViews(occupants, played)));
  }

  // Ending.

  /** `not-allowed` when the server refuses, else what it was. */
  async #allowed(action: Promise<unknown>): Promise<void> {
    try {
      await action;
    } catch (error) {
      if (error instanceof StanzaError) {
        const refused = ["forbidden", "not-allowed", "not-authorized"].includes(error.condition);
        throw new ClientError(refused ? "not-allowed" : "server-error", { cause: error, serverText: error.text });
      }
      throw error;
    }
  }

  async #moderate(action: (room: Room) => Promise<unknown>): Promise<void> {
    const room = this.#attendance?.room;
    if (room === undefined) throw new ClientError("connection-lost");
    await this.#allowed(action(room));
  }

  #detach(): void {
    const attendance = this.#attendance;
    this.#attendance = null;
    this.#generation += 1;
    attendance?.close();
    this.#activity.stop();
    this.#mediaPath.set("none");
    this.#dominant.set(null);
    this.#interrupted.clear();
    this.#refreshParticipants();
  }

  #end(reason: EndReason): void {
    if (this.#phase.get().kind === "ended") return;
    this.#cancelRejoin?.();
    this.#presence.stop();
    this.#detach();
    for (const unsubscribe of this.#subscriptions.splice(0)) unsubscribe();
    this.#own.close();
    this.#phase.set({ kind: "ended", reason });
  }
}
