import { Dialog as Kobalte } from "@kobalte/core/dialog";
import { Show, createComputed } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import styles from "./Dialog.module.css";
import { Icon } from "./Icon";

/** A modal dialog: takes the focus, keeps it, and gives it back. */
export function Dialog(props: {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly title: string;
  readonly text?: string;
  readonly children?: JSX.Element;
  readonly testId?: string;
}): JSX.Element {
  let opener: HTMLElement | null = null;
  createComputed(() => {
    if (props.open) opener = openerOf(document.activeElement);
  });
  return (
    <Kobalte open={props.open} onOpenChange={(open) => (open ? undefined : props.onClose())}>
      <Kobalte.Portal>
        <Kobalte.Overlay class={styles["overlay"]} />
        <div class={styles["positioner"]}>
          <Kobalte.Content
            class={styles["dialog"]}
            data-testid={props.testId}
            onCloseAutoFocus={(event) => {
              event.preventDefault();
              opener?.focus();
            }}
          >
            <div class={styles["head"]}>
              <Kobalte.Title class={styles["title"]}>{props.title}</Kobalte.Title>
              <Kobalte.CloseButton class={styles["close"]} aria-label={t().close}>
                <Icon name="close" />
              </Kobalte.CloseButton>
            </div>
            <Show when={props.text}>{(text) => <Kobalte.Description class={styles["text"]}>{text()}</Kobalte.Description>}</Show>
            {props.children}
          </Kobalte.Content>
        </div>
      </Kobalte.Portal>
    </Kobalte>
  );
}

/** The control that gets the focus back: of a menu's entry, which goes away, the button that opened the menu. */
function openerOf(element: Element | null): HTMLElement | null {
  const menuButton = element?.closest("[role=menu]")?.getAttribute("aria-labelledby") ?? null;
  const control = menuButton === null ? element : document.getElementById(menuButton);
  return control instanceof HTMLElement && control !== document.body ? control : null;
}
