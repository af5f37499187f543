/** Framework-free observable values. A value is replaced, never mutated, so `===` tells whether it changed. */

export type Unsubscribe = () => void;

/** A value that can be read now and watched. */
export interface Readable<T> {
  get(): T;
  /** Calls `listener` on every change (not at once); returns the end of the subscription. */
  subscribe(listener: (value: T) => void): Unsubscribe;
}

/** A `Readable` and the right to write it, kept by its owner. */
export class Signal<T> implements Readable<T> {
  #value: T;
  readonly #listeners = new Set<(value: T) => void>();

  constructor(initial: T) {
    this.#value = initial;
  }

  get(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  update(change: (value: T) => T): void {
    this.set(change(this.#value));
  }

  subscribe(listener: (value: T) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}

/** Things that happen once, in order; nothing is kept for late listeners. */
export interface Events<T> {
  subscribe(listener: (event: T) => void): Unsubscribe;
}

export class Emitter<T> implements Events<T> {
  readonly #listeners = new Set<(event: T) => void>();

  emit(event: T): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  subscribe(listener: (event: T) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}
