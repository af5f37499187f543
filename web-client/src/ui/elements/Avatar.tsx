import type { JSX } from "solid-js";
import { hueOf, initials } from "../../view-model/tiles";
import styles from "./Avatar.module.css";
import { Icon } from "./Icon";

/** Initials on a colour of one's own. */
export function Avatar(props: { readonly id: string; readonly name: string | null; readonly sizePx?: number }): JSX.Element {
  return (
    <span class={styles["avatar"]} aria-hidden="true" style={{ "--avatar-hue": hueOf(props.id), "--avatar-size": `${props.sizePx ?? 40}px` }}>
      {initials(props.name) || <Icon name="person" size={Math.round((props.sizePx ?? 40) * 0.5)} />}
    </span>
  );
}
