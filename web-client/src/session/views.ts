/** From what the room and the media say to what the interface is shown. Pure. */

import type { Occupant } from "../protocol/presence";
import type { LocalDevice } from "../media/local-media";
import type { PlayedSource } from "./media-plane";
import type { AudioSource, LocalDeviceState, ParticipantId, RemoteParticipant, Role, VideoSource } from "./meeting";

export function roleOf(occupant: Occupant): Role {
  return occupant.moderator ? "moderator" : "participant";
}

export interface ParticipantContext {
  readonly dominant: ParticipantId | null;
  readonly interrupted: ReadonlySet<ParticipantId>;
  readonly joinedAt: ReadonlyMap<ParticipantId, number>;
}

export function participantView(occupant: Occupant, context: ParticipantContext): RemoteParticipant {
  const sources = Object.entries(occupant.sourceInfo);
  const audio = sources.filter(([name]) => isAudio(name));
  const cameras = sources.filter(([name, state]) => !isAudio(name) && state.videoType === "camera");
  const screens = sources.filter(([name, state]) => !isAudio(name) && state.videoType === "desktop");
  return {
    id: occupant.nick,
    displayName: occupant.displayName,
    avatarUrl: occupant.avatarUrl,
    role: roleOf(occupant),
    raisedHandAt: occupant.raisedHandAt,
    audioMuted: audio.every(([, state]) => state.muted),
    videoMuted: cameras.every(([, state]) => state.muted),
    screenSharing: screens.some(([, state]) => !state.muted),
    dominant: context.dominant === occupant.nick,
    connection: context.interrupted.has(occupant.nick) ? "interrupted" : "active",
    joinedAt: context.joinedAt.get(occupant.nick) ?? 0,
  };
}

export function videoSourceViews(occupants: readonly Occupant[], played: readonly PlayedSource[]): readonly VideoSource[] {
  const streams = new Map(played.filter(({ source }) => source.kind === "video").map(({ source, stream }) => [source.name, stream]));
  return occupants.flatMap((occupant) =>
    Object.entries(occupant.sourceInfo)
      .filter(([name]) => !isAudio(name))
      .map(
        ([name, state]): VideoSource => ({
          name,
          owner: occupant.nick,
          kind: state.videoType,
          muted: state.muted,
          stream: streams.get(name) ?? null,
        }),
      ),
  );
}

export function audioSourceViews(occupants: readonly Occupant[], played: readonly PlayedSource[]): readonly AudioSource[] {
  const states = new Map(occupants.flatMap((occupant) => Object.entries(occupant.sourceInfo)));
  return played
    .filter(({ source }) => source.kind === "audio")
    .map(({ source, stream }) => ({ name: source.name, owner: source.owner, muted: states.get(source.name)?.muted ?? false, stream }));
}

export function deviceView(device: LocalDevice): LocalDeviceState {
  return { on: device.on, busy: device.busy, error: device.error };
}

/** Equal views are the same view, so that the interface draws only what changed. */
export function sameList<T extends object>(before: readonly T[], after: readonly T[]): readonly T[] {
  const merged = after.map((item, index) => {
    const old = before[index];
    return old !== undefined && shallowEqual(old, item) ? old : item;
  });
  return merged.length === before.length && merged.every((item, index) => item === before[index]) ? before : merged;
}

export function shallowEqual(left: object, right: object): boolean {
  const leftEntries = Object.entries(left);
  const rightEntries: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(right));
  return leftEntries.length === Object.keys(right).length && leftEntries.every(([key, value]) => Object.is(value, rightEntries[key]));
}

function isAudio(name: string): boolean {
  return /-a\d+(\.|$)/.test(name);
}
