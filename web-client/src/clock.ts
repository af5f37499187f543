/** Time and randomness, given to whatever waits or draws lots, so that tests run in virtual time. */

export interface Clock {
  /** ms since 1970. */
  now(): number;
  /** Runs `action` once after the delay; the answer cancels it. */
  after(delayMs: number, action: () => void): () => void;
}

/** Uniform in [0, 1). */
export type Random = () => number;

export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
  /** False while the machine knows that it has no network. */
  readonly online: () => boolean;
}

export const systemEnvironment: Environment = {
  clock: {
    now: () => Date.now(),
    after(delayMs, action) {
      const timer = setTimeout(action, delayMs);
      return () => {
        clearTimeout(timer);
      };
    },
  },
  random: () => {
    const [word] = crypto.getRandomValues(new Uint32Array(1));
    return (word ?? 0) / 2 ** 32;
  },
  online: () => navigator.onLine,
};

export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

export function randomHex(random: Random, digits: number): string {
  return Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join("");
}
