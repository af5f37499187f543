/** How loud everybody is, and who speaks where no bridge says so. */

import type { Clock } from "../clock";
import { Signal, type Readable } from "../reactive";
import type { MediaPlane } from "./media-plane";
import type { ParticipantId } from "./meeting";

export const LEVELS_INTERVAL_MS = 200;
/** Somebody is speaking above this. */
const SPEAKING_LEVEL = 0.02;

export interface Heard {
  readonly plane: MediaPlane;
  readonly ownId: ParticipantId;
  readonly ownerOf: (source: string) => ParticipantId | null;
}

export class AudioActivity {
  readonly levels: Readable<ReadonlyMap<ParticipantId, number>>;
  readonly #levels = new Signal<ReadonlyMap<ParticipantId, number>>(new Map());
  readonly #clock: Clock;
  readonly #heard: () => Heard | null;
  readonly #onLoudest: (id: ParticipantId) => void;
  #cancel: (() => void) | null = null;

  /** `onLoudest` is told on each measurement with somebody speaking. */
  constructor(clock: Clock, heard: () => Heard | null, onLoudest: (id: ParticipantId) => void) {
    this.levels = this.#levels;
    this.#clock = clock;
    this.#heard = heard;
    this.#onLoudest = onLoudest;
  }

  start(): void {
    this.#cancel?.();
    this.#cancel = this.#clock.after(LEVELS_INTERVAL_MS, () => {
      const heard = this.#heard();
      if (heard === null) return;
      heard.plane.audioLevels().then(
        (levels) => {
          if (this.#heard()?.plane === heard.plane) this.#measured(heard, levels);
        },
        (error: unknown) => {
          console.debug("levels could not be read", error);
        },
      );
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    if (this.#levels.get().size > 0) this.#levels.set(new Map());
  }

  #measured(heard: Heard, bySource: ReadonlyMap<string, number>): void {
    const levels = new Map<ParticipantId, number>();
    for (const [name, level] of bySource) {
      const owner = name === "" ? heard.ownId : heard.ownerOf(name);
      if (owner !== null && level > 0) levels.set(owner, Math.max(levels.get(owner) ?? 0, level));
    }
    if (levels.size > 0 || this.#levels.get().size > 0) this.#levels.set(levels);
    const [loudest] = [...levels].filter(([, level]) => level > SPEAKING_LEVEL).sort(([, left], [, right]) => right - left);
    if (loudest !== undefined) this.#onLoudest(loudest[0]);
  }
}
