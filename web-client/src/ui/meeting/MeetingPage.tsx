import { Match, Show, Switch, createEffect, createMemo, createResource, createSignal, lazy, on, onCleanup } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Account } from "../../session/account";
import type { EndReason, Meeting, MeetingPhase } from "../../session/meeting";
import { roomTitle } from "../../view-model/route";
import type { Services } from "../../view-model/services";
import { watch } from "../../view-model/watch";
import { Button, ButtonLink } from "../elements/Button";
import { PasswordField } from "../elements/Field";
import { CardPage } from "../elements/Page";
import styles from "../elements/Page.module.css";
import { PrejoinPage } from "../prejoin/PrejoinPage";

const MeetingScreen = lazy(async () => ({ default: (await import("./MeetingScreen")).MeetingScreen }));
const SignInDialog = lazy(async () => ({ default: (await import("../account/SignInDialog")).SignInDialog }));

/** `/ROOM`: from the mirror through the door into the meeting, and out again. */
export function MeetingPage(props: { readonly room: string; readonly services: Services }): JSX.Element {
  const [round, setRound] = createSignal(0);
  // Each round is a fresh meeting object; the one that was left is spent.
  const [ready] = createResource(round, async () => ({
    meeting: await props.services.meeting(props.room),
    account: await props.services.account(),
  }));
  return (
    <Show when={ready.state === "ready" ? ready() : undefined} keyed>
      {(parts) => <MeetingPhases {...parts} services={props.services} again={round() > 0} onRejoin={() => setRound(round() + 1)} />}
    </Show>
  );
}

type PhaseOf<K extends MeetingPhase["kind"]> = Extract<MeetingPhase, { readonly kind: K }>;

function MeetingPhases(props: {
  readonly meeting: Meeting;
  readonly account: Account;
  readonly services: Services;
  readonly again: boolean;
  readonly onRejoin: () => void;
}): JSX.Element {
  const phase = watch(props.meeting.phase);
  const [signingIn, setSigningIn] = createSignal(false);
  const [password, setPassword] = createSignal("");
  const as = <K extends MeetingPhase["kind"]>(kind: K) =>
    createMemo(() => {
      const now = phase();
      return now.kind === kind ? (now as PhaseOf<K>) : undefined;
    });
  const passwordWanted = as("room-password-required");
  const waiting = as("waiting-for-host");
  const lobby = as("lobby");
  const ended = as("ended");
  const name = (): string => props.services.preferences.value().displayName || (props.services.joinSettings.displayName ?? "");
  const joinAgain = (roomPassword?: string): void => {
    const credentials = props.account.credentials();
    void props.meeting.join({
      displayName: name(),
      ...(roomPassword === undefined ? {} : { roomPassword }),
      ...(credentials === null ? {} : { credentials }),
    });
  };

  const { joinSettings, preferences } = props.services;
  if (!joinSettings.prejoin) {
    // The address says: straight in.
    if (!joinSettings.startWithAudioMuted && (props.again ? preferences.value().microphoneOn : true)) void props.meeting.setMicrophone(true);
    if (!joinSettings.startWithVideoMuted && (props.again ? preferences.value().cameraOn : true)) void props.meeting.setCamera(true);
    if (joinSettings.displayName !== null) preferences.change({ displayName: joinSettings.displayName });
    joinAgain();
  }
  const leaveQuietly = (): void => void props.meeting.leave();
  onCleanup(leaveQuietly);
  // A new page takes the place of the one whose button had the focus.
  createEffect(
    on(
      () => phase().kind,
      () => requestAnimationFrame(() => {
        if (document.activeElement === document.body) document.getElementById("main")?.focus({ preventScroll: true });
      }),
      { defer: true },
    ),
  );
  createEffect(() => {
    document.title = phase().kind === "joined" ? `${roomTitle(props.meeting.room)} · ${t().product}` : t().product;
  });

  return (
    <>
      <Switch
        fallback={
          <Show when={joinSettings.prejoin} fallback={<CardPage title={t().prejoin.joining} lead={t().loading} testId="joining" />}>
            <PrejoinPage meeting={props.meeting} services={props.services} account={props.account} onSignIn={() => setSigningIn(true)} />
          </Show>
        }
      >
        <Match when={phase().kind === "joined" || phase().kind === "reconnecting"}>
          <MeetingScreen meeting={props.meeting} services={props.services} />
        </Match>
        <Match when={passwordWanted()}>
          {(wanted) => (
            <CardPage title={t().roomPassword.title} lead={t().roomPassword.text} testId="room-password-page">
              <form
                class={styles["stack"]}
                onSubmit={(event) => {
                  event.preventDefault();
                  joinAgain(password());
                }}
              >
                <PasswordField
                  label={t().roomPassword.label}
                  value={password()}
                  error={wanted().wrong ? t().roomPassword.wrong : undefined}
                  errorTestId="room-password-error"
                  autocomplete="off"
                  ref={(input: HTMLInputElement) => queueMicrotask(() => input.focus())}
                  data-testid="room-password-input"
                  onInput={(event) => setPassword(event.currentTarget.value)}
                />
                <Button type="submit" look="primary" wide disabled={password() === ""} data-testid="room-password-submit">
                  {t().roomPassword.enter}
                </Button>
              </form>
            </CardPage>
          )}
        </Match>
        <Match when={waiting()}>
          {(host) => (
            <CardPage
              title={t().waiting.title}
              lead={t().waiting.text}
              testId="waiting-for-host"
              actions={
                <>
                  <Show when={host().canSignIn}>
                    <Button look="primary" onClick={() => setSigningIn(true)} data-testid="sign-in">
                      {t().waiting.signIn}
                    </Button>
                  </Show>
                  <Button onClick={leaveQuietly}>{t().lobby.leave}</Button>
                </>
              }
            />
          )}
        </Match>
        <Match when={lobby()}>
          {(door) => (
            <CardPage
              title={t().lobby.title}
              lead={door().denied ? t().lobby.denied : t().lobby.text}
              testId="lobby"
              actions={<Button onClick={leaveQuietly}>{t().lobby.leave}</Button>}
            />
          )}
        </Match>
        <Match when={ended()}>{(end) => <EndedPage reason={end().reason} onRejoin={props.onRejoin} />}</Match>
      </Switch>
      <Show when={signingIn()}>
        <SignInDialog
          account={props.account}
          onClose={() => setSigningIn(false)}
          onDone={() => {
            setSigningIn(false);
            if (phase().kind === "waiting-for-host") joinAgain();
          }}
        />
      </Show>
    </>
  );
}

function EndedPage(props: { readonly reason: EndReason; readonly onRejoin: () => void }): JSX.Element {
  const words = createMemo((): { readonly title: string; readonly text: string; readonly said?: string | null } => {
    const { reason } = props;
    const ended = t().ended;
    switch (reason.kind) {
      case "left":
        return { title: ended.left, text: ended.leftText };
      case "kicked":
        return { title: ended.kicked, text: reason.by === null ? ended.kickedText : ended.kickedBy(reason.by), said: reason.text };
      case "closed":
        return { title: ended.closed, text: ended.closedText };
      case "failed":
        return { title: ended.failed, text: t().error[reason.error.code], said: reason.error.serverText };
    }
  });
  return (
    <CardPage
      title={words().title}
      lead={words().text}
      testId="meeting-ended"
      actions={
        <>
          <Button look="primary" onClick={() => props.onRejoin()} data-testid="rejoin">
            {t().ended.rejoin}
          </Button>
          <ButtonLink href="/">{t().ended.home}</ButtonLink>
        </>
      }
    >
      <Show when={words().said}>{(said) => <blockquote>{said()}</blockquote>}</Show>
    </CardPage>
  );
}
