import { Show, createResource, createSignal } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Account } from "../../session/account";
import { createInvite } from "../../view-model/account";
import type { Services } from "../../view-model/services";
import { Button, ButtonLink } from "../elements/Button";
import { TextField } from "../elements/Field";
import { Icon } from "../elements/Icon";
import { CardPage } from "../elements/Page";
import styles from "./AccountForm.module.css";
import { FormError, errorOf, focusFirstError } from "./FormMessage";
import { NewPasswordFields } from "./NewPasswordFields";

/** `/account/invite#TOKEN`: an invited person sets their first password; nobody else ever knew one. */
export function InvitePage(props: { readonly services: Services; readonly token: string }): JSX.Element {
  const [account] = createResource(() => props.services.account());
  return (
    <Show when={props.token !== ""} fallback={<CardPage title={t().account.inviteTitle} lead={t().account.inviteMissing} testId="invite-missing" />}>
      <Show when={account()}>{(ready) => <InviteScreen account={ready()} token={props.token} />}</Show>
    </Show>
  );
}

function InviteScreen(props: { readonly account: Account; readonly token: string }): JSX.Element {
  const [username, setUsername] = createSignal("");
  const [next, setNext] = createSignal("");
  const [repeat, setRepeat] = createSignal("");
  const form = createInvite(props.account, props.token);
  return (
    <CardPage title={t().account.inviteTitle} lead={t().account.inviteLead}>
      <Show
        when={form.progress().kind !== "done"}
        fallback={
          <>
            <p class={styles["success"]} role="status" data-testid="invite-success">
              <Icon name="check" size={20} />
              {t().account.inviteDone}
            </p>
            <ButtonLink href="/" look="primary">
              {t().account.startMeeting}
            </ButtonLink>
          </>
        }
      >
        <form
          class={styles["form"]}
          noValidate
          onSubmit={async (event) => {
            event.preventDefault();
            const element = event.currentTarget;
            if (!(await form.submit(username(), next(), repeat()))) focusFirstError(element);
          }}
        >
          <FormError error={form.error()} testId="invite-error" />
          <TextField
            label={t().account.inviteUsername}
            hint={t().account.inviteUsernameHint}
            value={username()}
            onInput={(event) => setUsername(event.currentTarget.value)}
            autocomplete="username"
            autocapitalize="off"
            spellcheck={false}
            error={errorOf(form.error(), "username")}
            errorTestId="invite-error"
            data-testid="invite-username"
          />
          <NewPasswordFields
            username={username()}
            next={next()}
            repeat={repeat()}
            onNext={setNext}
            onRepeat={setRepeat}
            error={form.error()}
            testIds="invite"
          />
          <Button type="submit" look="primary" disabled={form.busy()} data-testid="invite-submit">
            {form.busy() ? t().account.submitting : t().account.inviteSubmit}
          </Button>
        </form>
      </Show>
    </CardPage>
  );
}
