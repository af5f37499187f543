/** The member's account: signing in and out, a new password, accepting an invitation. */

import type { Readable } from "../reactive";
import type { Credentials } from "./meeting";

export type AccountState =
  | { readonly kind: "signed-out" }
  | { readonly kind: "signing-in" }
  | { readonly kind: "signed-in"; readonly username: string; readonly address: string };

export interface Account {
  readonly state: Readable<AccountState>;
  /** What `join` takes to enter as this member; null when signed out. Kept for this tab's life only, in memory. */
  credentials(): Credentials | null;
  /** Rejects: `wrong-credentials`, `account-disabled`, `too-many-attempts`, `connection-failed`. */
  signIn(username: string, password: string): Promise<void>;
  signOut(): Promise<void>;
  /**
   * The current password is proved by a fresh authentication before anything is changed.
   * Rejects: `not-signed-in`, `wrong-current-password`, `password-too-weak`, `password-not-acceptable`,
   * `too-many-attempts`, `connection-failed`, `request-timeout`; after a rejection the old password is still valid.
   */
  changePassword(current: string, next: string): Promise<void>;
  /**
   * Uses an invitation: sets the first password of the invited account and signs in.
   * `username` is needed when the invitation does not fix it (the server then answers `name-taken` if it is in use).
   * Rejects: `invite-invalid`, `name-taken`, `password-too-weak`, `registration-closed`, `connection-failed`.
   */
  acceptInvite(token: string, newPassword: string, username?: string): Promise<void>;
}

/** Shortest password the pages accept; the server has its own say. */
export const PASSWORD_CHARACTERS_MIN = 8;
