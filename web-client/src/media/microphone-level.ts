/** How loud our own microphone is: before the meeting, and while muted, when nothing of it is sent. */

import type { Clock } from "../clock";
import { Signal } from "../reactive";
import type { Readable } from "../reactive";
import type { LocalDevice } from "./local-media";

/** Measures one track. */
export interface LevelProbe {
  /** 0…1 at this moment. */
  read(): number;
  close(): void;
}

export type ProbeTrack = (track: MediaStreamTrack) => LevelProbe | null;

export const MICROPHONE_LEVEL_INTERVAL_MS = 200;

/** The level follows whatever track the microphone has, and is 0 without one. */
export function microphoneLevel(microphone: Readable<LocalDevice>, clock: Clock, probeTrack: ProbeTrack): Readable<number> {
  const level = new Signal(0);
  let track: MediaStreamTrack | null = null;
  let probe: LevelProbe | null = null;
  let cancel: (() => void) | null = null;

  const poll = (): void => {
    cancel = clock.after(MICROPHONE_LEVEL_INTERVAL_MS, () => {
      level.set(probe?.read() ?? 0);
      if (probe !== null) poll();
    });
  };
  const follow = (device: LocalDevice): void => {
    if (device.track === track) return;
    track = device.track;
    cancel?.();
    probe?.close();
    probe = track === null ? null : probeTrack(track);
    level.set(0);
    if (probe !== null) poll();
  };
  microphone.subscribe(follow);
  follow(microphone.get());
  return level;
}

/** Measures with the browser's audio graph, on a copy that stays open while the original is muted. */
export const audioGraphProbe: ProbeTrack = (original) => {
  if (typeof AudioContext !== "function") return null;
  const track = original.clone();
  track.enabled = true;
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    read() {
      // A graph made before the first click sleeps until it is asked again after one.
      if (context.state === "suspended") context.resume().catch(() => undefined);
      analyser.getFloatTimeDomainData(samples);
      let sum = 0;
      for (const sample of samples) sum += sample * sample;
      return Math.min(1, Math.sqrt(sum / samples.length) * 2);
    },
    close() {
      track.stop();
      context.close().catch(() => undefined);
    },
  };
};
