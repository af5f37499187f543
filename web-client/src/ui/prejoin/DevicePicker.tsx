import { Show } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Meeting } from "../../session/meeting";
import { deviceChoices } from "../../view-model/prejoin";
import { watch } from "../../view-model/watch";
import { Button } from "../elements/Button";
import { SelectField } from "../elements/Field";
import { Icon } from "../elements/Icon";
import { playTestTone } from "../elements/test-tone";
import styles from "./PrejoinPage.module.css";

/** Microphone, camera and speaker, before and during a meeting. */
export function DevicePicker(props: {
  readonly meeting: Meeting;
  readonly onChoose: (kind: "microphone" | "camera" | "speaker", id: string) => void;
}): JSX.Element {
  const devices = watch(props.meeting.devices);
  const choice = watch(props.meeting.deviceChoice);
  return (
    <div class={styles["devices"]}>
      <SelectField
        label={t().prejoin.microphone}
        value={choice().microphone ?? ""}
        choices={deviceChoices(devices().microphones, t().prejoin.microphone)}
        onChoose={(id) => props.onChoose("microphone", id)}
        testId="microphone-select"
      />
      <SelectField
        label={t().prejoin.camera}
        value={choice().camera ?? ""}
        choices={deviceChoices(devices().cameras, t().prejoin.camera)}
        onChoose={(id) => props.onChoose("camera", id)}
        testId="camera-select"
      />
      <Show when={"setSinkId" in HTMLMediaElement.prototype}>
        <SelectField
          label={t().prejoin.speaker}
          value={choice().speaker ?? ""}
          choices={deviceChoices(devices().speakers, t().prejoin.speaker)}
          onChoose={(id) => props.onChoose("speaker", id)}
          testId="speaker-select"
        />
      </Show>
      <div>
        <Button size="small" onClick={() => void playTestTone(choice().speaker)}>
          <Icon name="volume" size={18} />
          {t().prejoin.testSpeaker}
        </Button>
      </div>
    </div>
  );
}
