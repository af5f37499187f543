import { Match, Show, Switch } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Account } from "../../session/account";
import type { Meeting } from "../../session/meeting";
import { createPrejoin, devicePermission } from "../../view-model/prejoin";
import { DISPLAY_NAME_CHARACTERS_MAX } from "../../view-model/preferences";
import { roomTitle } from "../../view-model/route";
import type { Services } from "../../view-model/services";
import { watch } from "../../view-model/watch";
import { Avatar } from "../elements/Avatar";
import { Button } from "../elements/Button";
import { TextField } from "../elements/Field";
import { Icon } from "../elements/Icon";
import { LevelMeter } from "../elements/LevelMeter";
import { Page } from "../elements/Page";
import { Video } from "../elements/Video";
import { DevicePicker } from "./DevicePicker";
import styles from "./PrejoinPage.module.css";

/** The mirror before the meeting: who you will be, how you will look and sound. */
export function PrejoinPage(props: {
  readonly meeting: Meeting;
  readonly services: Services;
  readonly account: Account;
  readonly onSignIn: () => void;
}): JSX.Element {
  const prejoin = createPrejoin(props.meeting, props.services, devicePermission);
  const local = watch(props.meeting.local);
  const phase = watch(props.meeting.phase);
  const member = watch(props.account.state);
  const memberName = (): string | null => {
    const state = member();
    return state.kind === "signed-in" ? state.username : null;
  };
  const joining = (): boolean => phase().kind === "joining";
  const finding = (): string => {
    switch (prejoin.finding()) {
      case "off":
        return t().prejoin.micOff;
      case "silent":
        return t().prejoin.silent;
      case "hearing":
        return t().prejoin.hearing;
      case "listening":
        return "";
    }
  };

  return (
    <Page
      end={
        <Show when={memberName() === null}>
          <Button look="plain" data-testid="sign-in" onClick={() => props.onSignIn()}>
            <Icon name="person" size={20} />
            {t().account.signIn}
          </Button>
        </Show>
      }
    >
      <main id="main" tabindex="-1" class={styles["main"]}>
        <div>
          <div class={styles["mirror"]}>
            <Switch
              fallback={
                <div class={styles["placeholder"]}>
                  <Avatar id={prejoin.name()} name={prejoin.name()} sizePx={104} />
                  <p>{local().camera.busy ? t().prejoin.cameraOpening : t().prejoin.cameraOff}</p>
                </div>
              }
            >
              <Match when={prejoin.mayAsk()}>
                <div class={styles["ask"]}>
                  <h2>{t().prejoin.askTitle}</h2>
                  <p>{t().prejoin.askText}</p>
                  <Button look="primary" data-testid="allow-devices" onClick={() => prejoin.ask()}>
                    {t().prejoin.ask}
                  </Button>
                  <Button look="plain" size="small" data-testid="decline-devices" onClick={() => prejoin.decline()}>
                    {t().prejoin.askLater}
                  </Button>
                </div>
              </Match>
              <Match when={local().camera.on ? local().cameraStream : null}>{(stream) => <Video class={styles["video"]} stream={stream()} />}</Match>
            </Switch>
            <Show when={!prejoin.mayAsk()}>
              <div class={styles["toggles"]}>
                <button
                  type="button"
                  class={styles["toggle"]}
                  data-on={local().microphone.on}
                  data-testid="mic-toggle"
                  aria-pressed={local().microphone.on}
                  aria-label={t().prejoin.microphone}
                  title={local().microphone.on ? t().meeting.microphoneOn : t().meeting.microphoneOff}
                  disabled={local().microphone.busy}
                  onClick={() => prejoin.toggleMicrophone()}
                >
                  <Icon name={local().microphone.on ? "microphone" : "microphoneOff"} size={24} />
                </button>
                <button
                  type="button"
                  class={styles["toggle"]}
                  data-on={local().camera.on}
                  data-testid="camera-toggle"
                  aria-pressed={local().camera.on}
                  aria-label={t().prejoin.camera}
                  title={local().camera.on ? t().meeting.cameraOn : t().meeting.cameraOff}
                  disabled={local().camera.busy}
                  onClick={() => prejoin.toggleCamera()}
                >
                  <Icon name={local().camera.on ? "camera" : "cameraOff"} size={24} />
                </button>
              </div>
            </Show>
          </div>
          <Show when={!prejoin.mayAsk()}>
            <div class={styles["sound"]}>
              <LevelMeter level={prejoin.level()} label={t().prejoin.level} />
              <p aria-live="polite" data-testid="microphone-finding">
                {finding()}
              </p>
            </div>
          </Show>
        </div>

        <div class={styles["panel"]}>
          <h1 class={styles["title"]}>{t().prejoin.title(roomTitle(props.meeting.room))}</h1>
          <p class={styles["lead"]}>{t().prejoin.lead}</p>
          <Show when={prejoin.problem()}>
            {(problem) => (
              <div class={styles["problem"]} role="status" data-testid="device-problem">
                <Icon name="warning" size={20} />
                <strong>{problem().title}</strong>
                <p>{problem().help}</p>
              </div>
            )}
          </Show>
          <form
            class={styles["form"]}
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              if (!prejoin.join(props.account.credentials())) event.currentTarget.querySelector("input")?.focus();
            }}
          >
            <TextField
              label={t().prejoin.name}
              placeholder={t().prejoin.namePlaceholder}
              value={prejoin.name()}
              error={prejoin.nameError()}
              errorTestId="name-error"
              maxLength={DISPLAY_NAME_CHARACTERS_MAX}
              autocomplete="name"
              enterkeyhint="go"
              data-testid="name-input"
              onInput={(event) => prejoin.writeName(event.currentTarget.value)}
            />
            <p class={styles["identity"]}>
              <Icon name={memberName() === null ? "door" : "person"} size={18} />
              {memberName() === null ? t().prejoin.asGuest : t().prejoin.asMember(memberName() ?? "")}
            </p>
            <Button type="submit" look="primary" size="large" wide disabled={joining()} data-testid="join-button">
              {joining() ? t().prejoin.joining : t().prejoin.join}
            </Button>
            <p class={styles["lead"]} role="status" data-testid="join-status">
              {prejoin.slow() ? t().prejoin.stillTrying : ""}
            </p>
          </form>
          <div class={styles["drawers"]}>
            <details class={styles["more"]} data-testid="device-settings">
              <summary>
                <Icon name="settings" size={20} />
                <span>{t().meeting.devices}</span>
                <Icon name="chevronDown" size={18} />
              </summary>
              <DevicePicker meeting={props.meeting} onChoose={prejoin.choose} />
            </details>
            <details class={styles["more"]}>
              <summary>
                <Icon name="lock" size={20} />
                <span>{t().prejoin.whoHears}</span>
                <Icon name="chevronDown" size={18} />
              </summary>
              <p>{t().prejoin.whoHearsText}</p>
            </details>
          </div>
        </div>
      </main>
    </Page>
  );
}
