import { For, Show, createSignal } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Meeting } from "../../session/meeting";
import type { MeetingRoom } from "../../view-model/meeting-room";
import type { PreferenceStore } from "../../view-model/preferences";
import { Button } from "../elements/Button";
import { Dialog } from "../elements/Dialog";
import { PasswordField } from "../elements/Field";
import { DevicePicker } from "../prejoin/DevicePicker";
import styles from "./dialogs.module.css";

interface DialogProps {
  readonly open: boolean;
  readonly onClose: () => void;
}

export function DeviceDialog(props: DialogProps & { readonly meeting: Meeting; readonly preferences: PreferenceStore }): JSX.Element {
  return (
    <Dialog open={props.open} onClose={props.onClose} title={t().meeting.devices} testId="device-dialog">
      <DevicePicker
        meeting={props.meeting}
        onChoose={(kind, id) => {
          const devices = { ...props.preferences.value().devices, [kind]: id === "" ? null : id };
          props.preferences.change({ devices });
          void props.meeting.setDevices({ [kind]: devices[kind] });
        }}
      />
    </Dialog>
  );
}

export function ShortcutDialog(props: DialogProps & { readonly preferences: PreferenceStore }): JSX.Element {
  const rows = (): readonly (readonly [key: string, meaning: string])[] => {
    const words = t().shortcuts;
    return [
      ["M", words.microphone],
      [words.space, words.pushToTalk],
      ["V", words.camera],
      ["D", words.screen],
      ["C", words.chat],
      ["P", words.participants],
      ["R", words.hand],
      ["W", words.layout],
      ["S", words.fullscreen],
      ["T", words.timer],
      ["?", words.help],
      [words.escape, words.close],
    ];
  };
  return (
    <Dialog open={props.open} onClose={props.onClose} title={t().shortcuts.title} testId="shortcut-dialog">
      <dl class={styles["keys"]}>
        <For each={rows()}>
          {([key, meaning]) => (
            <>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{meaning}</dd>
            </>
          )}
        </For>
      </dl>
      <label class={styles["switch"]}>
        <input
          type="checkbox"
          checked={props.preferences.value().shortcuts}
          onChange={(event) => props.preferences.change({ shortcuts: event.currentTarget.checked })}
        />
        {t().settings.shortcutsOn}
        <small>{t().settings.shortcutsOnHint}</small>
      </label>
    </Dialog>
  );
}

export function RoomPasswordDialog(props: DialogProps & { readonly room: MeetingRoom }): JSX.Element {
  const [password, setPassword] = createSignal("");
  const apply = async (value: string | null): Promise<void> => {
    if (!(await props.room.setPassword(value))) return;
    setPassword("");
    props.onClose();
  };
  return (
    <Dialog open={props.open} onClose={props.onClose} title={t().roomPasswordDialog.title} text={t().roomPasswordDialog.text} testId="room-password-dialog">
      <form
        class={styles["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          if (password() !== "") void apply(password());
        }}
      >
        <PasswordField
          label={t().roomPasswordDialog.label}
          value={password()}
          autocomplete="off"
          maxLength={128}
          required
          data-testid="room-password-input"
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
        <div class={styles["actions"]}>
          <Show when={props.room.state().passwordProtected}>
            <Button onClick={() => void apply(null)} data-testid="room-password-remove">
              {t().roomPasswordDialog.remove}
            </Button>
          </Show>
          <Button type="submit" look="primary" data-testid="room-password-set">
            {t().roomPasswordDialog.set}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export interface Question {
  readonly title: string;
  readonly text: string;
  readonly yes: string;
  readonly danger: boolean;
  readonly act: () => void;
}

/** Asks before something that cannot be taken back. */
export function ConfirmDialog(props: { readonly question: Question | null; readonly onClose: () => void }): JSX.Element {
  return (
    <Show when={props.question}>
      {(question) => (
        <Dialog open onClose={props.onClose} title={question().title} text={question().text} testId="confirm-dialog">
          <div class={styles["actions"]}>
            <Button onClick={() => props.onClose()}>{t().cancel}</Button>
            <Button
              look={question().danger ? "danger" : "primary"}
              data-testid="confirm-yes"
              onClick={() => {
                question().act();
                props.onClose();
              }}
            >
              {question().yes}
            </Button>
          </div>
        </Dialog>
      )}
    </Show>
  );
}
