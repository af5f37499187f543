import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { FieldError } from "../../view-model/account";
import { PasswordField } from "../elements/Field";
import { errorOf } from "./FormMessage";
import { StrengthMeter } from "./StrengthMeter";

/** The new password, twice, with its strength. */
export function NewPasswordFields(props: {
  readonly username: string;
  readonly next: string;
  readonly repeat: string;
  readonly onNext: (value: string) => void;
  readonly onRepeat: (value: string) => void;
  readonly error: FieldError | null;
  /** Start of the test ids: `account` or `invite`. */
  readonly testIds: "account" | "invite";
}): JSX.Element {
  return (
    <>
      <PasswordField
        label={t().account.next}
        value={props.next}
        onInput={(event) => props.onNext(event.currentTarget.value)}
        autocomplete="new-password"
        error={errorOf(props.error, "new")}
        errorTestId={`${props.testIds}-error`}
        data-testid={`${props.testIds}-new`}
      />
      <StrengthMeter password={props.next} username={props.username} />
      <PasswordField
        label={t().account.repeat}
        value={props.repeat}
        onInput={(event) => props.onRepeat(event.currentTarget.value)}
        autocomplete="new-password"
        error={errorOf(props.error, "repeat")}
        errorTestId={`${props.testIds}-error`}
        data-testid={`${props.testIds}-repeat`}
      />
    </>
  );
}
