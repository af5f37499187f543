import { createSignal, onCleanup } from "solid-js";
import type { Accessor } from "solid-js";
import type { Events, Readable } from "../reactive";

/** A session value as a reactive accessor; the subscription ends with the scope that asked. */
export function watch<T>(readable: Readable<T>): Accessor<T> {
  const [value, setValue] = createSignal<T>(readable.get());
  onCleanup(readable.subscribe((next) => setValue(() => next)));
  return value;
}

/** Listens to events until the scope that asked ends. */
export function listen<T>(events: Events<T>, listener: (event: T) => void): void {
  onCleanup(events.subscribe(listener));
}
