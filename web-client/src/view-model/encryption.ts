import type { MediaPath } from "../session/meeting";

/** What the badge says; it never claims more than the path media takes at this moment. */
export type EncryptionState = "none" | "direct" | "server";

/**
 * `direct` is said only for exactly one other person on a direct path. While nothing is connected yet but others are
 * here, the less private answer is given: promising too little misleads nobody.
 */
export function encryptionState(path: MediaPath, others: number): EncryptionState {
  if (others === 0) return "none";
  if (path === "direct" && others === 1) return "direct";
  return "server";
}
