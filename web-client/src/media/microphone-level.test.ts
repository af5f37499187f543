import { expect, test } from "vitest";
import { Signal } from "../reactive";
import type { LocalDevice } from "./local-media";
import { MICROPHONE_LEVEL_INTERVAL_MS, microphoneLevel } from "./microphone-level";

const OFF: LocalDevice = { on: false, busy: false, error: null, track: null, stream: null };

test("follows the track, also while muted, and ends with it", () => {
  const due: (() => void)[] = [];
  const clock = {
    now: () => 0,
    after(delayMs: number, action: () => void) {
      expect(delayMs).toBe(MICROPHONE_LEVEL_INTERVAL_MS);
      due.push(action);
      return () => {
        due.splice(due.indexOf(action), 1);
      };
    },
  };
  const closed: string[] = [];
  let loudness = 0.4;
  const microphone = new Signal<LocalDevice>(OFF);
  const level = microphoneLevel(microphone, clock, (track) => ({ read: () => loudness, close: () => closed.push(track.id) }));
  expect(due).toHaveLength(0);

  const track = { id: "a" } as MediaStreamTrack;
  microphone.set({ ...OFF, on: true, track });
  due.shift()?.();
  expect(level.get()).toBe(0.4);

  microphone.set({ ...OFF, on: false, track });
  loudness = 0.7;
  due.shift()?.();
  expect(level.get()).toBe(0.7);
  expect(closed).toEqual([]);

  microphone.set(OFF);
  expect(level.get()).toBe(0);
  expect(closed).toEqual(["a"]);
  expect(due).toHaveLength(0);
});
