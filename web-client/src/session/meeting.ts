/**
 * The meeting as the interface sees it: read-only state and actions. `createMeeting` in `start.ts` makes one,
 * `account.ts` holds what concerns the signed-in member.
 */

import type { ClientError } from "../errors";
import type { Events, Readable } from "../reactive";

/** The MUC nickname: 8 lower-case hexadecimal digits. */
export type ParticipantId = string;
/** `{participant}-v0`, `{participant}-a0`, … */
export type SourceName = string;

export type MeetingPhase =
  /** Before `join`: the pre-join page. Devices can be opened and chosen. */
  | { readonly kind: "idle" }
  /** Connecting, authenticating, entering the room. */
  | { readonly kind: "joining" }
  /** The room exists only when somebody entitled opens it; asked again by itself. `canSignIn`: signing in would open it. */
  | { readonly kind: "waiting-for-host"; readonly canSignIn: boolean }
  /** The room has a password; call `join` again with `roomPassword`. */
  | { readonly kind: "room-password-required"; readonly wrong: boolean }
  /** In the waiting room until a moderator lets us in. */
  | { readonly kind: "lobby"; readonly denied: boolean }
  | { readonly kind: "joined"; readonly since: number }
  /** The connection is being restored; the meeting is kept. */
  | { readonly kind: "reconnecting"; readonly since: number }
  | { readonly kind: "ended"; readonly reason: EndReason };

export type EndReason =
  | { readonly kind: "left" }
  | { readonly kind: "kicked"; readonly by: string | null; readonly text: string | null }
  /** The room was closed for everybody. */
  | { readonly kind: "closed"; readonly text: string | null }
  /** The same person joined from another device and replaced this one. */
  | { readonly kind: "failed"; readonly error: ClientError };

/** `none`: nobody else, or nothing connected yet. */
export type MediaPath = "none" | "direct" | "server";

export type Role = "moderator" | "participant" | "none";

export interface LocalParticipant {
  readonly id: ParticipantId | null;
  readonly displayName: string;
  readonly role: Role;
  /** When the hand went up (ms since 1970), or null. */
  readonly raisedHandAt: number | null;
  readonly microphone: LocalDeviceState;
  readonly camera: LocalDeviceState;
  readonly screen: LocalScreenState;
  /** Live camera picture, to be mirrored; null while the camera is off. */
  readonly cameraStream: MediaStream | null;
  readonly screenStream: MediaStream | null;
  /** A moderator forbade unmuting until allowed (A/V moderation). */
  readonly audioForceMuted: boolean;
  readonly videoForceMuted: boolean;
}

/** `on`: what others get. `busy`: being opened. `error`: why it could not be opened; cleared by the next try. */
export interface LocalDeviceState {
  readonly on: boolean;
  readonly busy: boolean;
  readonly error: ClientError | null;
}

export type LocalScreenState = LocalDeviceState;

export interface RemoteParticipant {
  readonly id: ParticipantId;
  readonly displayName: string | null;
  readonly avatarUrl: string | null;
  readonly role: Role;
  readonly raisedHandAt: number | null;
  readonly audioMuted: boolean;
  readonly videoMuted: boolean;
  readonly screenSharing: boolean;
  readonly dominant: boolean;
  /** Nothing has come from this person for some seconds. */
  readonly connection: "active" | "interrupted";
  readonly joinedAt: number;
}

/** One picture somebody sends: a camera or a screen. */
export interface VideoSource {
  readonly name: SourceName;
  readonly owner: ParticipantId;
  readonly kind: "camera" | "desktop";
  readonly muted: boolean;
  /** Play this in a muted `<video>`; null until media is connected, and when the server forwards nothing of it now. */
  readonly stream: MediaStream | null;
}

/** One sound somebody sends. Play every stream in an `<audio>`: all of them, always. */
export interface AudioSource {
  readonly name: SourceName;
  readonly owner: ParticipantId | null;
  readonly muted: boolean;
  readonly stream: MediaStream;
}

export interface ChatMessage {
  readonly id: string;
  readonly from: ParticipantId;
  /** Name when it was sent; kept after the person left. */
  readonly displayName: string;
  readonly mine: boolean;
  /** The other side of a private message; null for a message to everybody. */
  readonly privateWith: ParticipantId | null;
  readonly text: string;
  /** ms since 1970. */
  readonly sentAt: number;
  /** Sent before we joined. */
  readonly fromHistory: boolean;
  /** Refused by the server; `text` was not delivered. */
  readonly failed: boolean;
}

export interface Device {
  readonly id: string;
  /** Empty until permission was given. */
  readonly label: string;
}

export interface DeviceList {
  readonly microphones: readonly Device[];
  readonly cameras: readonly Device[];
  readonly speakers: readonly Device[];
}

/** Device ids; null means the system's default. */
export interface DeviceChoice {
  readonly microphone: string | null;
  readonly camera: string | null;
  readonly speaker: string | null;
}

/** Things worth telling once (toast); none of them needs an answer. */
export type Notice =
  | { readonly kind: "muted-by-moderator"; readonly media: "audio" | "video" | "desktop"; readonly by: string | null }
  | { readonly kind: "unmute-allowed"; readonly media: "audio" | "video" | "desktop" }
  | { readonly kind: "unmute-refused"; readonly media: "audio" | "video" | "desktop" }
  | { readonly kind: "participant-kicked"; readonly who: string | null; readonly by: string | null }
  | { readonly kind: "participant-joined"; readonly id: ParticipantId; readonly displayName: string | null }
  | { readonly kind: "participant-left"; readonly id: ParticipantId; readonly displayName: string | null }
  | { readonly kind: "role-changed"; readonly role: Role }
  | { readonly kind: "room-password-changed"; readonly protected: boolean }
  | { readonly kind: "hand-lowered-by-moderator" }
  | { readonly kind: "source-limit"; readonly media: "audio" | "video" }
  | { readonly kind: "device-changed"; readonly media: "audio" | "video" }
  | { readonly kind: "action-failed"; readonly action: string; readonly error: ClientError };

export interface LobbyVisitor {
  readonly id: string;
  readonly displayName: string | null;
}

export interface RoomState {
  /** Somebody set a password. */
  readonly passwordProtected: boolean;
  readonly lobbyEnabled: boolean;
  /** People in the waiting room; only moderators get it. */
  readonly lobbyVisitors: readonly LobbyVisitor[];
  /** Room created (ms since 1970), for the meeting's clock; null when unknown. */
  readonly createdAt: number | null;
  /** Nobody may unmute without a moderator's leave. */
  readonly audioModerated: boolean;
  readonly videoModerated: boolean;
}

/** The person who is signed in on this page, null for a guest. */
export interface JoinOptions {
  readonly displayName: string;
  readonly roomPassword?: string;
  /** Join as this member instead of as a guest. */
  readonly credentials?: Credentials;
}

export interface Credentials {
  /** The name without the domain, or the full address. */
  readonly username: string;
  readonly password: string;
}

/** What is on the screen; the media core translates it into the bridge's or the peer's terms and sends it at most every 150 ms. */
export interface ViewRequest {
  /** Shown large, first is most important, with the height in device pixels it is shown at. */
  readonly stage: readonly ViewedSource[];
  /** Shown in tiles or in the film strip. */
  readonly tiles: readonly ViewedSource[];
}

export interface ViewedSource {
  readonly name: SourceName;
  readonly heightPx: number;
}

export interface Meeting {
  readonly room: string;
  readonly phase: Readable<MeetingPhase>;
  readonly local: Readable<LocalParticipant>;
  /** In the order of joining. */
  readonly participants: Readable<readonly RemoteParticipant[]>;
  /** Remote pictures only; ours are in `local`. */
  readonly videoSources: Readable<readonly VideoSource[]>;
  readonly audioSources: Readable<readonly AudioSource[]>;
  /** Loudness 0…1 by participant, ours included; changes up to 5 times a second. */
  readonly audioLevels: Readable<ReadonlyMap<ParticipantId, number>>;
  /** Loudness 0…1 of our microphone, also before joining and while it is muted. */
  readonly ownLevel: Readable<number>;
  readonly dominantSpeaker: Readable<ParticipantId | null>;
  readonly mediaPath: Readable<MediaPath>;
  readonly chat: Readable<readonly ChatMessage[]>;
  readonly roomState: Readable<RoomState>;
  readonly devices: Readable<DeviceList>;
  readonly deviceChoice: Readable<DeviceChoice>;
  readonly notices: Events<Notice>;

  /** From `idle`, `room-password-required` and `waiting-for-host` (there with credentials); elsewhere it does nothing. */
  join(options: JoinOptions): Promise<void>;
  /** Leaves, closes devices; the meeting object is spent. */
  leave(): Promise<void>;
  /** Ends the meeting for everybody; moderators only. */
  endForAll(): Promise<void>;

  /** Never reject: failures are in `local.*.error`. */
  setMicrophone(on: boolean): Promise<void>;
  setCamera(on: boolean): Promise<void>;
  /** Opens the browser's own picker; cancelling it is not an error. */
  shareScreen(on: boolean): Promise<void>;
  /** Only the given ones change. */
  setDevices(choice: Partial<DeviceChoice>): Promise<void>;
  /** Reads the list anew (labels come with permission). */
  refreshDevices(): Promise<void>;

  sendChat(text: string, privateTo?: ParticipantId): void;
  raiseHand(up: boolean): void;
  setDisplayName(name: string): void;
  setReceiverConstraints(view: ViewRequest): void;

  /** Moderators' actions; they reject with `not-allowed` when the server refuses. */
  muteParticipant(id: ParticipantId, media: "audio" | "video" | "desktop"): Promise<void>;
  kick(id: ParticipantId, reason?: string): Promise<void>;
  grantModerator(id: ParticipantId): Promise<void>;
  lowerHand(id: ParticipantId): void;
  /** null takes the password away. */
  setRoomPassword(password: string | null): Promise<void>;
  setLobby(on: boolean): Promise<void>;
  admitFromLobby(id: string): Promise<void>;
  denyFromLobby(id: string): Promise<void>;
}
