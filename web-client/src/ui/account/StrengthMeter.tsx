import { For, createMemo } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import { passwordStrength } from "../../view-model/password";
import type { PasswordHint } from "../../view-model/password";
import styles from "./AccountForm.module.css";

/** Tells how hard a password is to guess, in words first and in colour second. */
export function StrengthMeter(props: { readonly password: string; readonly username: string }): JSX.Element {
  const strength = createMemo(() => passwordStrength(props.password, props.username));
  const hint = (): string => {
    const words: Record<PasswordHint, string> = {
      longer: t().account.hintLonger,
      repeats: t().account.hintRepeats,
      common: t().account.hintCommon,
      name: t().account.hintName,
      good: t().account.hintGood,
    };
    return props.password === "" ? words.longer : words[strength().hint];
  };
  const shown = (): number => (props.password === "" ? 0 : Math.max(1, strength().level));
  return (
    <div class={styles["strength"]} data-testid="password-strength">
      <div class={styles["meter"]} aria-hidden="true">
        <For each={[1, 2, 3, 4]}>{(step) => <i data-on={step <= shown() ? shown() : 0} />}</For>
      </div>
      <p aria-live="polite">
        {props.password === "" ? null : (
          <>
            {t().account.strength}: <strong>{t().account.strengthLevel[strength().level]}</strong>.{" "}
          </>
        )}
        {hint()}
      </p>
    </div>
  );
}
