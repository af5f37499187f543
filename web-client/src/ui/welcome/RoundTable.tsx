import { For } from "solid-js";
import type { JSX } from "solid-js";
import styles from "./RoundTable.module.css";

const CENTRE = 260;
const ORBIT = 196;
const SPEAKER = 1;

interface Seat {
  readonly x: number;
  readonly y: number;
  readonly cloth: string;
  readonly skin: string;
  readonly ground: string;
}

const COLOURS: readonly (readonly [ground: string, skin: string, cloth: string])[] = [
  ["#b9d9cb", "#8d5a3b", "#17624f"],
  ["#f0d9a6", "#f1c9a5", "#9a5b1c"],
  ["#c4d3e6", "#5b3a29", "#2f5277"],
  ["#e9c9bd", "#e7b48f", "#98402c"],
  ["#d6cfe6", "#c98f68", "#54427f"],
  ["#cfe0b4", "#f4d3b5", "#4e6b1f"],
  ["#bfdfe2", "#a66f4b", "#1f6470"],
];

const SEATS: readonly Seat[] = COLOURS.map(([ground, skin, cloth], index) => {
  const angle = (index / COLOURS.length) * 2 * Math.PI - Math.PI / 2;
  return { x: CENTRE + ORBIT * Math.cos(angle), y: CENTRE + ORBIT * Math.sin(angle), ground, skin, cloth };
});

/** Seven people around a table with a keyhole; purely decorative. */
export function RoundTable(): JSX.Element {
  const speaker = SEATS[SPEAKER];
  return (
    <svg class={styles["art"]} viewBox="-10 -10 540 540" aria-hidden="true">
      <circle class={styles["orbit"]} cx={CENTRE} cy={CENTRE} r={ORBIT} />
      <circle class={styles["orbit"]} cx={CENTRE} cy={CENTRE} r={ORBIT + 62} stroke-dasharray="2 8" />
      <g class={styles["turn"]}>
        <For each={SEATS}>
          {(seat, index) => (
            <line
              classList={{ [styles["line"] ?? ""]: index() !== SPEAKER, [styles["spoken"] ?? ""]: index() === SPEAKER }}
              x1={seat.x}
              y1={seat.y}
              x2={CENTRE}
              y2={CENTRE}
            />
          )}
        </For>
        <circle class={styles["table"]} cx={CENTRE} cy={CENTRE} r="92" />
        <For each={SEATS}>
          {(seat) => (
            <g transform={`translate(${seat.x} ${seat.y})`}>
              <circle class={styles["seat"]} r="50" fill={seat.ground} />
              <g clip-path="url(#seat)">
                <ellipse cx="0" cy="46" rx="36" ry="32" fill={seat.cloth} />
                <rect x="-7" y="4" width="14" height="18" rx="7" fill={seat.skin} />
                <circle cx="0" cy="-7" r="18" fill={seat.skin} />
              </g>
            </g>
          )}
        </For>
        {speaker === undefined ? null : <circle class={styles["ring"]} cx={speaker.x} cy={speaker.y} r="55" />}
      </g>
      <clipPath id="seat">
        <circle r="47.5" />
      </clipPath>
      <path class={styles["key"]} transform="translate(260 262) scale(4.4) translate(-16 -16)" d="M16 10.4a3.6 3.6 0 0 1 1.7 6.8l.9 4.4h-5.2l.9-4.4a3.6 3.6 0 0 1 1.7-6.8z" />
    </svg>
  );
}
