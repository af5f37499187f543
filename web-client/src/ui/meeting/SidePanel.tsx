import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import { Icon } from "../elements/Icon";
import styles from "./SidePanel.module.css";

/** A pane beside the stage; Escape closes it. */
export function SidePanel(props: { readonly title: string; readonly onClose: () => void; readonly testId: string; readonly children: JSX.Element }): JSX.Element {
  return (
    <aside
      class={styles["panel"]}
      aria-label={props.title}
      data-testid={props.testId}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.defaultPrevented) return;
        event.preventDefault();
        props.onClose();
      }}
    >
      <header class={styles["head"]}>
        <h2>{props.title}</h2>
        <button type="button" class={styles["close"]} aria-label={t().close} onClick={() => props.onClose()}>
          <Icon name="close" />
        </button>
      </header>
      {props.children}
    </aside>
  );
}
