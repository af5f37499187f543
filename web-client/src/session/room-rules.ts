/** How the room is set: password, lobby and who waits there, and whether one may unmute. */

import { Emitter, Signal, type Events, type Readable } from "../reactive";
import type { OwnPresence } from "../protocol/presence";
import type { ModeratedMedia, ServiceMessage } from "../protocol/room";
import type { Attendance } from "./attendance";
import type { Notice, RoomState } from "./meeting";

const EMPTY_ROOM: RoomState = {
  passwordProtected: false,
  lobbyEnabled: false,
  lobbyVisitors: [],
  createdAt: null,
  audioModerated: false,
  videoModerated: false,
};

export class RoomRules {
  readonly state: Readable<RoomState>;
  readonly notices: Events<Notice>;
  readonly #state = new Signal<RoomState>(EMPTY_ROOM);
  readonly #notices = new Emitter<Notice>();
  readonly #approved = new Set<ModeratedMedia>();

  constructor() {
    this.state = this.#state;
    this.notices = this.#notices;
  }

  /** Reads the settings anew; moderators also see who waits in the lobby. */
  async read(attendance: Attendance, context: { readonly current: () => boolean; readonly moderator: () => boolean; readonly own: () => OwnPresence }): Promise<void> {
    const settings = await attendance.room.readSettings();
    if (!context.current()) return;
    const before = this.#state.get();
    this.#state.set({ ...before, passwordProtected: settings.passwordProtected, lobbyEnabled: settings.membersOnly, createdAt: settings.createdAt });
    if (before.createdAt !== null && before.passwordProtected !== settings.passwordProtected) {
      this.#notices.emit({ kind: "room-password-changed", protected: settings.passwordProtected });
    }
    this.#watchLobby(attendance, settings.membersOnly && context.moderator() ? settings.lobbyJid : null, context.own);
  }

  onService(message: ServiceMessage): void {
    if (message.type !== "av_moderation") return;
    const media = message.mediaType;
    if (message.enabled !== undefined) {
      const on = message.enabled;
      if (on) this.#approved.delete(media);
      this.#state.update((state) => ({ ...state, ...(media === "audio" ? { audioModerated: on } : media === "video" ? { videoModerated: on } : {}) }));
    } else if (message.approved === true) {
      this.#approved.add(media);
      this.#notices.emit({ kind: "unmute-allowed", media });
    } else if (message.removed === true) {
      this.#approved.delete(media);
    }
  }

  /** Whether somebody who isn't a moderator is kept muted. */
  forceMuted(media: "audio" | "video"): boolean {
    const { audioModerated, videoModerated } = this.#state.get();
    return (media === "audio" ? audioModerated : videoModerated) && !this.#approved.has(media);
  }

  #watchLobby(attendance: Attendance, jid: string | null, own: () => OwnPresence): void {
    if (jid === null) {
      attendance.leaveLobby();
      if (this.#state.get().lobbyVisitors.length > 0) this.#state.update((state) => ({ ...state, lobbyVisitors: [] }));
      return;
    }
    if (attendance.lobby !== null) return;
    const lobby = attendance.enterLobby(jid, own());
    lobby.events.subscribe(() => {
      if (attendance.lobby !== lobby) return;
      const visitors = lobby.occupants
        .filter((occupant) => !occupant.moderator && attendance.room.occupant(occupant.nick) === null)
        .map((occupant) => ({ id: occupant.nick, displayName: occupant.displayName }));
      this.#state.update((state) => ({ ...state, lobbyVisitors: visitors }));
    });
  }
}
