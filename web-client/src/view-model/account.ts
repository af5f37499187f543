import { createMemo, createSignal } from "solid-js";
import type { Accessor } from "solid-js";
import { asClientError } from "../errors";
import { t } from "../messages/catalogue";
import { PASSWORD_CHARACTERS_MIN } from "../session/account";
import type { Account } from "../session/account";
import { passwordProblem } from "./password";
import type { PasswordProblem } from "./password";

/** The field an error belongs to; `form` when it is about all of it. */
export type AccountField = "username" | "current" | "new" | "repeat" | "form";

export interface FieldError {
  readonly field: AccountField;
  readonly text: string;
}

export type Progress = { readonly kind: "editing" } | { readonly kind: "busy" } | { readonly kind: "done" };

export interface PasswordForm {
  readonly progress: Accessor<Progress>;
  readonly error: Accessor<FieldError | null>;
  readonly busy: Accessor<boolean>;
}

/** The person's own password: checked here first, decided by the server. */
export interface PasswordChangeForm extends PasswordForm {
  readonly submit: (current: string, next: string, repeat: string) => Promise<boolean>;
}

export function createPasswordChange(account: Account): PasswordChangeForm {
  const form = createForm();
  return {
    ...form,
    async submit(current, next, repeat) {
      const state = account.state.get();
      const username = state.kind === "signed-in" ? state.username : "";
      const problem = passwordProblem({ username, current, next, repeat });
      if (problem !== null) return form.refuse(problemError(problem));
      return form.run(() => account.changePassword(current, next));
    },
  };
}

export interface InviteForm extends PasswordForm {
  readonly submit: (username: string, next: string, repeat: string) => Promise<boolean>;
}

/** The first password of an invited person. */
export function createInvite(account: Account, token: string): InviteForm {
  const form = createForm();
  return {
    ...form,
    async submit(username, next, repeat) {
      const name = username.trim();
      const problem = passwordProblem({ username: name, current: null, next, repeat });
      if (problem !== null) return form.refuse(problemError(problem));
      return form.run(() => (name === "" ? account.acceptInvite(token, next) : account.acceptInvite(token, next, name)));
    },
  };
}

export interface SignInForm extends PasswordForm {
  readonly submit: (username: string, password: string) => Promise<boolean>;
}

export function createSignIn(account: Account): SignInForm {
  const form = createForm();
  return {
    ...form,
    async submit(username, password) {
      if (username.trim() === "") return form.refuse({ field: "username", text: t().account.missingUsername });
      if (password === "") return form.refuse({ field: "current", text: t().account.missingPassword });
      return form.run(() => account.signIn(username.trim(), password));
    },
  };
}

interface RunningForm extends PasswordForm {
  readonly refuse: (error: FieldError) => false;
  readonly run: (action: () => Promise<void>) => Promise<boolean>;
}

function createForm(): RunningForm {
  const [progress, setProgress] = createSignal<Progress>({ kind: "editing" });
  const [error, setError] = createSignal<FieldError | null>(null);
  return {
    progress,
    error,
    busy: createMemo(() => progress().kind === "busy"),
    refuse(reason) {
      setProgress({ kind: "editing" });
      setError(reason);
      return false;
    },
    async run(action) {
      if (progress().kind === "busy") return false;
      setError(null);
      setProgress({ kind: "busy" });
      try {
        await action();
        setProgress({ kind: "done" });
        return true;
      } catch (thrown) {
        setProgress({ kind: "editing" });
        setError(serverError(thrown));
        return false;
      }
    },
  };
}

function serverError(thrown: unknown): FieldError {
  const { code } = asClientError(thrown, "server-error");
  const text = t().error[code];
  switch (code) {
    case "wrong-current-password":
      return { field: "current", text };
    case "password-too-weak":
    case "password-not-acceptable":
      return { field: "new", text };
    case "name-taken":
      return { field: "username", text };
    default:
      return { field: "form", text };
  }
}

function problemError(problem: PasswordProblem): FieldError {
  const words = t().account;
  switch (problem) {
    case "missing-current":
      return { field: "current", text: words.missingCurrent };
    case "too-short":
      return { field: "new", text: words.tooShort(PASSWORD_CHARACTERS_MIN) };
    case "too-long":
      return { field: "new", text: words.tooLong };
    case "mismatch":
      return { field: "repeat", text: words.mismatch };
    case "same-as-before":
      return { field: "new", text: words.sameAsBefore };
    case "same-as-name":
      return { field: "new", text: words.sameAsName };
  }
}
