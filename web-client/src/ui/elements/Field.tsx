import { For, Show, createSignal, createUniqueId, splitProps } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import styles from "./Field.module.css";
import { Icon } from "./Icon";

interface FieldFrame {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly error?: string | undefined;
  readonly errorTestId?: string | undefined;
}

type InputProps = FieldFrame & Omit<JSX.InputHTMLAttributes<HTMLInputElement>, "id"> & { "data-testid"?: string; end?: JSX.Element };

/** A labelled input; its hint and its error are read out with it. */
export function TextField(props: InputProps): JSX.Element {
  const id = createUniqueId();
  const [frame, rest] = splitProps(props, ["label", "hint", "error", "errorTestId", "end"]);
  const describedBy = (): string | undefined =>
    [frame.error === undefined ? undefined : `${id}-error`, frame.hint === undefined ? undefined : `${id}-hint`]
      .filter((part) => part !== undefined)
      .join(" ") || undefined;
  return (
    <div class={styles["field"]}>
      <label class={styles["label"]} for={id}>
        {frame.label}
      </label>
      <div class={styles["box"]}>
        <input
          {...rest}
          id={id}
          classList={{ [styles["input"] ?? ""]: true, [styles["withEnd"] ?? ""]: frame.end !== undefined }}
          aria-invalid={frame.error !== undefined}
          aria-describedby={describedBy()}
        />
        {frame.end}
      </div>
      <Show when={frame.error}>
        {(error) => (
          <p class={styles["error"]} id={`${id}-error`} role="alert" data-testid={frame.errorTestId}>
            <Icon name="warning" size={18} />
            {error()}
          </p>
        )}
      </Show>
      <Show when={frame.hint}>
        {(hint) => (
          <p class={styles["hint"]} id={`${id}-hint`}>
            {hint()}
          </p>
        )}
      </Show>
    </div>
  );
}

/** A password input that can be made readable. */
export function PasswordField(props: InputProps): JSX.Element {
  const [shown, setShown] = createSignal(false);
  return (
    <TextField
      spellcheck={false}
      autocapitalize="off"
      {...props}
      type={shown() ? "text" : "password"}
      end={
        <button
          type="button"
          class={styles["end"]}
          aria-label={shown() ? t().account.hide : t().account.show}
          aria-pressed={shown()}
          onClick={() => setShown(!shown())}
        >
          <Icon name={shown() ? "eyeOff" : "eye"} size={20} />
        </button>
      }
    />
  );
}

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** The browser's own list: it is the one every assistive technology and every phone knows best. */
export function SelectField(props: {
  readonly label: string;
  readonly value: string;
  readonly choices: readonly Choice[];
  readonly onChoose: (value: string) => void;
  readonly disabled?: boolean;
  readonly testId?: string;
}): JSX.Element {
  const id = createUniqueId();
  return (
    <div class={styles["field"]}>
      <label class={styles["label"]} for={id}>
        {props.label}
      </label>
      <div class={styles["box"]}>
        <select
          id={id}
          classList={{ [styles["input"] ?? ""]: true, [styles["select"] ?? ""]: true }}
          disabled={props.disabled ?? false}
          data-testid={props.testId}
          onChange={(event) => props.onChoose(event.currentTarget.value)}
        >
          <For each={props.choices}>
            {(choice) => (
              <option value={choice.value} selected={choice.value === props.value}>
                {choice.label}
              </option>
            )}
          </For>
        </select>
        <span class={styles["chevron"]}>
          <Icon name="chevronDown" size={18} />
        </span>
      </div>
    </div>
  );
}
