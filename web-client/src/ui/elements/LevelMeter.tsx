import { For } from "solid-js";
import type { JSX } from "solid-js";
import styles from "./LevelMeter.module.css";

const BARS = 14;

/** How loud the microphone is, 0…1. */
export function LevelMeter(props: { readonly level: number; readonly label: string }): JSX.Element {
  // Speech lies low on a linear scale; the root spreads it over the bars.
  const lit = (): number => Math.round(Math.sqrt(Math.min(Math.max(props.level, 0), 1)) * BARS);
  return (
    <div class={styles["meter"]} role="meter" aria-label={props.label} aria-valuemin={0} aria-valuemax={BARS} aria-valuenow={lit()} data-testid="level-meter">
      <For each={Array.from({ length: BARS }, (_, index) => index)}>{(bar) => <i data-on={bar < lit()} />}</For>
    </div>
  );
}
