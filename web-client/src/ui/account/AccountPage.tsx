import { Show, createResource, createSignal } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Account } from "../../session/account";
import { createPasswordChange } from "../../view-model/account";
import type { Services } from "../../view-model/services";
import { initials } from "../../view-model/tiles";
import { watch } from "../../view-model/watch";
import { Button, ButtonLink } from "../elements/Button";
import { PasswordField } from "../elements/Field";
import { Icon } from "../elements/Icon";
import { CardPage } from "../elements/Page";
import styles from "./AccountForm.module.css";
import { FormError, errorOf, focusFirstError } from "./FormMessage";
import { NewPasswordFields } from "./NewPasswordFields";
import { SignInForm } from "./SignInForm";

/** `/account`: signing in, and what a member can do for themselves. */
export function AccountPage(props: { readonly services: Services }): JSX.Element {
  const [account] = createResource(() => props.services.account());
  return <Show when={account()}>{(ready) => <AccountScreen account={ready()} />}</Show>;
}

function AccountScreen(props: { readonly account: Account }): JSX.Element {
  const state = watch(props.account.state);
  const member = () => {
    const now = state();
    return now.kind === "signed-in" ? now : null;
  };
  return (
    <Show
      when={member()}
      fallback={
        <CardPage title={t().account.signInTitle} lead={t().account.signInLead}>
          <SignInForm account={props.account} />
          <p class={styles["aside"]}>{t().account.noAccount}</p>
        </CardPage>
      }
    >
      {(who) => (
        <CardPage
          title={t().account.title}
          end={
            <ButtonLink href="/" look="plain">
              {t().account.startMeeting}
            </ButtonLink>
          }
        >
          <div class={styles["who"]}>
            <div>
              <span class={styles["face"]} aria-hidden="true">
                {initials(who().username)}
              </span>
              <p>
                <strong data-testid="account-name">{who().username}</strong>
                {who().address}
              </p>
            </div>
            <Button size="small" data-testid="sign-out" onClick={() => void props.account.signOut()}>
              {t().account.signOut}
            </Button>
          </div>
          <PasswordChange account={props.account} username={who().username} />
        </CardPage>
      )}
    </Show>
  );
}

function PasswordChange(props: { readonly account: Account; readonly username: string }): JSX.Element {
  const [current, setCurrent] = createSignal("");
  const [next, setNext] = createSignal("");
  const [repeat, setRepeat] = createSignal("");
  const form = createPasswordChange(props.account);
  return (
    <section class={styles["section"]} aria-labelledby="change-password">
      <h2 id="change-password">{t().account.changeTitle}</h2>
      <p>{t().account.changeLead}</p>
      <form
        class={styles["form"]}
        noValidate
        onSubmit={async (event) => {
          event.preventDefault();
          const element = event.currentTarget;
          if (await form.submit(current(), next(), repeat())) {
            setCurrent("");
            setNext("");
            setRepeat("");
          } else focusFirstError(element);
        }}
      >
        <FormError error={form.error()} testId="account-error" />
        <Show when={form.progress().kind === "done"}>
          <p class={styles["success"]} role="status" data-testid="account-success">
            <Icon name="check" size={20} />
            {t().account.success}
          </p>
        </Show>
        {/* Lets the browser's own password store know whose password changes. */}
        <input class="visually-hidden" type="text" autocomplete="username" value={props.username} readOnly tabindex="-1" aria-hidden="true" />
        <PasswordField
          label={t().account.current}
          value={current()}
          onInput={(event) => setCurrent(event.currentTarget.value)}
          autocomplete="current-password"
          error={errorOf(form.error(), "current")}
          errorTestId="account-error"
          data-testid="account-current"
        />
        <NewPasswordFields
          username={props.username}
          next={next()}
          repeat={repeat()}
          onNext={setNext}
          onRepeat={setRepeat}
          error={form.error()}
          testIds="account"
        />
        <Button type="submit" look="primary" disabled={form.busy()} data-testid="account-submit">
          {form.busy() ? t().account.submitting : t().account.submit}
        </Button>
      </form>
    </section>
  );
}
