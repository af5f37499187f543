import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import styles from "./Logo.module.css";

/** Five seats around a keyhole: a room that is locked from the inside. */
export function LogoMark(props: { size?: number }): JSX.Element {
  return (
    <svg class={styles["mark"]} width={props.size ?? 30} height={props.size ?? 30} viewBox="0 0 32 32" aria-hidden="true">
      <circle
        cx="16"
        cy="16"
        r="12.5"
        fill="none"
        stroke="currentColor"
        stroke-width="4"
        stroke-linecap="round"
        stroke-dasharray="10.2 5.508"
        transform="rotate(-66 16 16)"
      />
      <path fill="currentColor" d="M16 10.4a3.6 3.6 0 0 1 1.7 6.8l.9 4.4h-5.2l.9-4.4a3.6 3.6 0 0 1 1.7-6.8z" />
    </svg>
  );
}

export function Brand(): JSX.Element {
  return (
    <a class={styles["brand"]} href="/">
      <LogoMark />
      {t().product}
    </a>
  );
}
