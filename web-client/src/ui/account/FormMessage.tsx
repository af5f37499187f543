import { Show } from "solid-js";
import type { JSX } from "solid-js";
import type { FieldError, AccountField } from "../../view-model/account";
import { Icon } from "../elements/Icon";
import styles from "./AccountForm.module.css";

/** An error about the whole form. */
export function FormError(props: { readonly error: FieldError | null; readonly testId: string }): JSX.Element {
  return (
    <Show when={props.error?.field === "form" ? props.error : null}>
      {(error) => (
        <p class={styles["formError"]} role="alert" data-testid={props.testId}>
          <Icon name="warning" size={20} />
          {error().text}
        </p>
      )}
    </Show>
  );
}

/** The text of the error if it belongs to this field. */
export function errorOf(error: FieldError | null, field: AccountField): string | undefined {
  return error !== null && error.field === field ? error.text : undefined;
}

/** Puts the cursor where the error is, so that it is read out and can be mended at once. */
export function focusFirstError(form: HTMLFormElement): void {
  queueMicrotask(() => form.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
}
