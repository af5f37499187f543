/** From what is on the screen to what is asked of the bridge. */

import type { Clock } from "../clock";
import type { ReceiverVideoConstraints } from "../protocol/bridge-channel";
import type { ViewRequest } from "./meeting";

/** Shortest time between two requests. */
export const CONSTRAINTS_INTERVAL_MS = 150;

/** Heights a bridge thinks in. */
const HEIGHT_CLASSES = [180, 360, 720, 1080, 2160] as const;
/** While nothing is known of the screen. */
const HEIGHT_UNKNOWN = 360;

export function heightClass(heightPx: number): number {
  return HEIGHT_CLASSES.find((height) => heightPx <= height) ?? 2160;
}

/** Every visible source is named; what isn't, isn't sent. Null: nothing is known of the screen yet. */
export function receiverConstraints(view: ViewRequest | null, lastN: number): ReceiverVideoConstraints {
  if (view === null) {
    return { colibriClass: "ReceiverVideoConstraints", lastN, selectedSources: [], onStageSources: [], defaultConstraints: { maxHeight: HEIGHT_UNKNOWN }, constraints: {} };
  }
  const heights = new Map<string, number>();
  for (const source of [...view.tiles, ...view.stage]) heights.set(source.name, Math.max(heights.get(source.name) ?? 0, heightClass(source.heightPx)));
  return {
    colibriClass: "ReceiverVideoConstraints",
    lastN,
    selectedSources: [],
    onStageSources: view.stage.map((source) => source.name),
    defaultConstraints: { maxHeight: 0 },
    constraints: Object.fromEntries([...heights].map(([name, maxHeight]) => [name, { maxHeight }])),
  };
}

/** Passes on the first call at once, and of those that follow within the interval the last. */
export class Throttle {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #action: () => void;
  #cancel: (() => void) | null = null;
  #again = false;

  constructor(clock: Clock, intervalMs: number, action: () => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#action = action;
  }

  request(): void {
    if (this.#cancel !== null) {
      this.#again = true;
      return;
    }
    this.#action();
    this.#cancel = this.#clock.after(this.#intervalMs, () => {
      this.#cancel = null;
      if (!this.#again) return;
      this.#again = false;
      this.request();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#again = false;
  }
}
