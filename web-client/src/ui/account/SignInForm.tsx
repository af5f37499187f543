import { createSignal } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Account } from "../../session/account";
import { createSignIn } from "../../view-model/account";
import { Button } from "../elements/Button";
import { PasswordField, TextField } from "../elements/Field";
import styles from "./AccountForm.module.css";
import { FormError, errorOf, focusFirstError } from "./FormMessage";

export function SignInForm(props: { readonly account: Account; readonly onDone?: () => void }): JSX.Element {
  const [username, setUsername] = createSignal("");
  const [password, setPassword] = createSignal("");
  const form = createSignIn(props.account);
  return (
    <form
      class={styles["form"]}
      noValidate
      data-testid="sign-in-form"
      onSubmit={async (event) => {
        event.preventDefault();
        const element = event.currentTarget;
        if (await form.submit(username(), password())) props.onDone?.();
        else focusFirstError(element);
      }}
    >
      <FormError error={form.error()} testId="sign-in-error" />
      <TextField
        label={t().account.username}
        value={username()}
        onInput={(event) => setUsername(event.currentTarget.value)}
        autocomplete="username"
        autocapitalize="off"
        spellcheck={false}
        error={errorOf(form.error(), "username")}
        errorTestId="sign-in-error"
        data-testid="sign-in-username"
      />
      <PasswordField
        label={t().account.password}
        value={password()}
        onInput={(event) => setPassword(event.currentTarget.value)}
        autocomplete="current-password"
        error={errorOf(form.error(), "current")}
        errorTestId="sign-in-error"
        data-testid="sign-in-password"
      />
      <Button type="submit" look="primary" wide disabled={form.busy()} data-testid="sign-in-submit">
        {form.busy() ? t().account.signingIn : t().account.signIn}
      </Button>
    </form>
  );
}
