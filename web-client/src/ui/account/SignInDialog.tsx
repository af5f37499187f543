import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Account } from "../../session/account";
import { Dialog } from "../elements/Dialog";
import { SignInForm } from "./SignInForm";

/** Signing in without leaving the page. */
export function SignInDialog(props: { readonly account: Account; readonly onClose: () => void; readonly onDone: () => void }): JSX.Element {
  return (
    <Dialog open onClose={props.onClose} title={t().account.signInTitle} text={t().account.signInLead} testId="sign-in-dialog">
      <SignInForm account={props.account} onDone={props.onDone} />
    </Dialog>
  );
}
