import type { Account } from "../session/account";
import type { Meeting } from "../session/meeting";
import type { PreferenceStore } from "./preferences";
import type { Pick } from "./room-name";

/** What the address and the deployment say about joining. */
export interface JoinSettings {
  /** False: go in without the pre-join page. */
  readonly prejoin: boolean;
  readonly displayName: string | null;
  readonly requireDisplayName: boolean;
  readonly startWithAudioMuted: boolean;
  readonly startWithVideoMuted: boolean;
}

/** All that the pages need from outside; handed in at boot, replaced in development and tests. */
export interface Services {
  /** The account of this tab; loaded when a page first needs it. */
  readonly account: () => Promise<Account>;
  /** A fresh meeting in this room, not joined yet. */
  readonly meeting: (room: string) => Promise<Meeting>;
  readonly joinSettings: JoinSettings;
  readonly preferences: PreferenceStore;
  readonly pick: Pick;
  /** ms since 1970. */
  readonly now: () => number;
}
