import type { LocalParticipant, ParticipantId, RemoteParticipant, Role, VideoSource } from "../session/meeting";

/** One box on the stage: somebody's camera (or their initials), or a screen they share. */
export interface TileView {
  /** `{participant}` for a person, `{participant}-screen` for a screen. Ours are `local` and `local-screen`. */
  readonly key: string;
  readonly participant: ParticipantId | "local";
  readonly kind: "person" | "screen";
  readonly own: boolean;
  /** null when the person gave no name. */
  readonly name: string | null;
  readonly role: Role;
  readonly stream: MediaStream | null;
  /** The name by which the picture is asked for from the other side; null for ours. */
  readonly source: string | null;
  readonly audioMuted: boolean;
  readonly raisedHandAt: number | null;
  readonly dominant: boolean;
  readonly interrupted: boolean;
}

export const LOCAL = "local";

/** Everybody's tiles: screens first, then us, then the others in the order of joining. Nothing jumps when somebody speaks. */
export function tilesOf(
  local: LocalParticipant,
  remotes: readonly RemoteParticipant[],
  sources: readonly VideoSource[],
  dominant: ParticipantId | null,
): readonly TileView[] {
  const screens: TileView[] = [];
  const persons: TileView[] = [];
  const ours = {
    participant: LOCAL,
    own: true,
    name: local.displayName === "" ? null : local.displayName,
    role: local.role,
    source: null,
    audioMuted: !local.microphone.on,
    raisedHandAt: local.raisedHandAt,
    interrupted: false,
  } as const;
  if (local.screenStream !== null) {
    screens.push({ ...ours, key: `${LOCAL}-screen`, kind: "screen", stream: local.screenStream, dominant: false });
  }
  persons.push({
    ...ours,
    key: LOCAL,
    kind: "person",
    stream: local.camera.on ? local.cameraStream : null,
    dominant: local.id !== null && dominant === local.id,
  });
  for (const remote of remotes) {
    const theirs = {
      participant: remote.id,
      own: false,
      name: remote.displayName,
      role: remote.role,
      audioMuted: remote.audioMuted,
      raisedHandAt: remote.raisedHandAt,
      interrupted: remote.connection === "interrupted",
    };
    for (const screen of sources.filter((source) => source.owner === remote.id && source.kind === "desktop" && !source.muted)) {
      screens.push({ ...theirs, key: screenKey(remote.id, screens), kind: "screen", stream: screen.stream, source: screen.name, dominant: false });
    }
    const camera = sources.find((source) => source.owner === remote.id && source.kind === "camera" && !source.muted);
    persons.push({
      ...theirs,
      key: remote.id,
      kind: "person",
      stream: camera?.stream ?? null,
      source: camera?.name ?? null,
      dominant: dominant === remote.id,
    });
  }
  return [...screens, ...persons];
}

function screenKey(owner: ParticipantId, before: readonly TileView[]): string {
  const earlier = before.filter((tile) => tile.participant === owner).length;
  return earlier === 0 ? `${owner}-screen` : `${owner}-screen${earlier + 1}`;
}

/** How long somebody must be the loudest before the large picture follows. */
export const FOCUS_DWELL_MS = 2_000;

/** Who is shown large, and since when somebody else is waiting for it. */
export interface Focus {
  readonly shown: string | null;
  readonly candidate: string | null;
  readonly candidateSince: number;
}

export const NO_FOCUS: Focus = { shown: null, candidate: null, candidateSince: 0 };

/**
 * The next focus: what is pinned, else a shared screen, else the last speaker who is not us, after `FOCUS_DWELL_MS`.
 * Call it on every change and when the dwell is over.
 */
export function nextFocus(focus: Focus, tiles: readonly TileView[], pinned: string | null, now: number): Focus {
  const has = (key: string | null): key is string => key !== null && tiles.some((tile) => tile.key === key);
  const settle = (key: string | null): Focus => (focus.shown === key && focus.candidate === null ? focus : { ...NO_FOCUS, shown: key });
  if (has(pinned)) return settle(pinned);
  // Our own screen is never shown large by itself: it would show itself showing itself.
  const screen = tiles.findLast((tile) => tile.kind === "screen" && !tile.own);
  if (screen !== undefined) return settle(screen.key);
  const shown = has(focus.shown) && tiles.some((tile) => tile.key === focus.shown && !tile.own) ? focus.shown : null;
  const speaker = tiles.find((tile) => tile.dominant && !tile.own && tile.kind === "person")?.key ?? null;
  const first = tiles.find((tile) => !tile.own)?.key ?? tiles.find((tile) => tile.kind === "person")?.key ?? null;
  if (shown === null) return settle(speaker ?? first);
  if (speaker === null || speaker === shown) return settle(shown);
  if (focus.candidate !== speaker) return { shown, candidate: speaker, candidateSince: now };
  return now - focus.candidateSince >= FOCUS_DWELL_MS ? settle(speaker) : focus;
}

/** Up to two letters for somebody without a picture. */
export function initials(name: string | null): string {
  const parts = (name ?? "").trim().split(/\s+/).filter((part) => part !== "");
  const letters = [parts[0], parts.length > 1 ? parts.at(-1) : undefined].map((part) => [...(part ?? "")][0] ?? "");
  return letters.join("").toLocaleUpperCase();
}

/** A hue of one's own, the same on every screen that knows the same id. */
export function hueOf(id: string): number {
  let hash = 2166136261;
  for (const character of id) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619);
  return (hash >>> 0) % 360;
}
