import { For } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Notices } from "../../view-model/notices";
import { Icon } from "../elements/Icon";
import styles from "./Toasts.module.css";

/** Short notices over the stage, read out politely; problems at once. */
export function Toasts(props: { readonly notices: Notices }): JSX.Element {
  return (
    <div class={styles["region"]} role="region" aria-label={t().notice.region}>
      <For each={props.notices.toasts()}>
        {(toast) => (
          <div class={styles["toast"]} data-tone={toast.tone} data-testid="toast" role={toast.tone === "problem" ? "alert" : "status"}>
            {toast.text}
            <button type="button" class={styles["close"]} aria-label={t().dismiss} onClick={() => props.notices.dismiss(toast.id)}>
              <Icon name="close" size={16} />
            </button>
          </div>
        )}
      </For>
    </div>
  );
}
