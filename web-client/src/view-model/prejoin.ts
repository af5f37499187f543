import { createEffect, createMemo, createSignal, on, onCleanup } from "solid-js";
import type { Accessor } from "solid-js";
import { t } from "../messages/catalogue";
import type { ErrorCode } from "../errors";
import type { Credentials, Device, Meeting } from "../session/meeting";
import { DISPLAY_NAME_CHARACTERS_MAX } from "./preferences";
import type { Services } from "./services";
import { watch } from "./watch";

/** Louder than this is somebody speaking, not the noise of the room. */
const HEARD_LEVEL = 0.03;
/** A microphone without any sound for this long is worth a word. */
export const SILENCE_MS = 5_000;

/** Whoever waits longer than this to join is told that we keep trying. */
export const JOIN_SLOW_MS = 5_000;

export type MicrophoneFinding = "off" | "listening" | "hearing" | "silent";

export interface DeviceProblem {
  readonly title: string;
  readonly help: string;
}

export interface Prejoin {
  readonly name: Accessor<string>;
  readonly nameError: Accessor<string | undefined>;
  readonly level: Accessor<number>;
  readonly finding: Accessor<MicrophoneFinding>;
  /** Joining takes longer than it should. */
  readonly slow: Accessor<boolean>;
  readonly problem: Accessor<DeviceProblem | null>;
  /** The browser has not been asked for the devices yet, and would ask the person. */
  readonly mayAsk: Accessor<boolean>;
  readonly ask: () => void;
  /** Goes on without camera and microphone; they can be turned on later. */
  readonly decline: () => void;
  readonly toggleMicrophone: () => void;
  readonly toggleCamera: () => void;
  readonly choose: (kind: "microphone" | "camera" | "speaker", id: string) => void;
  readonly writeName: (name: string) => void;
  /** False when the name is missing. */
  readonly join: (credentials: Credentials | null) => boolean;
}

/** `permission` tells whether the browser would open the devices without asking. */
export function createPrejoin(meeting: Meeting, services: Services, permission: () => Promise<"granted" | "ask">): Prejoin {
  const { preferences, joinSettings } = services;
  const local = watch(meeting.local);
  const level = watch(meeting.ownLevel);
  const [name, setName] = createSignal(joinSettings.displayName ?? preferences.value().displayName);
  const [nameError, setNameError] = createSignal<string>();
  const [mayAsk, setMayAsk] = createSignal(false);
  const [finding, setFinding] = createSignal<MicrophoneFinding>("off");

  const phase = watch(meeting.phase);
  const [slow, setSlow] = createSignal(false);
  const joining = createMemo(() => phase().kind === "joining");
  createEffect(
    on(joining, (is) => {
      setSlow(false);
      if (!is) return;
      const timer = setTimeout(() => setSlow(true), JOIN_SLOW_MS);
      onCleanup(() => clearTimeout(timer));
    }),
  );

  const wishes = {
    microphone: preferences.value().microphoneOn && !joinSettings.startWithAudioMuted,
    camera: preferences.value().cameraOn && !joinSettings.startWithVideoMuted,
  };
  const open = (): void => {
    setMayAsk(false);
    if (wishes.microphone) void meeting.setMicrophone(true);
    if (wishes.camera) void meeting.setCamera(true);
  };
  void meeting.setDevices(preferences.value().devices);
  void permission().then((answer) => {
    if (!wishes.microphone && !wishes.camera) return meeting.refreshDevices();
    if (answer === "granted") open();
    else setMayAsk(true);
    return undefined;
  });

  const microphoneOn = createMemo(() => local().microphone.on);
  createEffect(
    on(microphoneOn, (isOn) => {
      setFinding(isOn ? "listening" : "off");
      if (!isOn) return;
      const timer = setTimeout(() => {
        if (finding() === "listening") setFinding("silent");
      }, SILENCE_MS);
      onCleanup(() => clearTimeout(timer));
    }),
  );
  createEffect(() => {
    if (level() > HEARD_LEVEL && finding() !== "off") setFinding("hearing");
  });

  return {
    name,
    nameError,
    level,
    finding,
    slow,
    problem: createMemo(() => {
      const error = local().camera.error ?? local().microphone.error;
      return error === null ? null : problemWords(error.code);
    }),
    mayAsk,
    ask: open,
    decline: () => setMayAsk(false),
    toggleMicrophone() {
      const next = !local().microphone.on;
      preferences.change({ microphoneOn: next });
      wishes.microphone = next;
      void meeting.setMicrophone(next);
    },
    toggleCamera() {
      const next = !local().camera.on;
      preferences.change({ cameraOn: next });
      wishes.camera = next;
      void meeting.setCamera(next);
    },
    choose(kind, id) {
      const devices = { ...preferences.value().devices, [kind]: id === "" ? null : id };
      preferences.change({ devices });
      void meeting.setDevices({ [kind]: devices[kind] });
    },
    writeName(value) {
      setName(value.slice(0, DISPLAY_NAME_CHARACTERS_MAX));
      setNameError(undefined);
    },
    join(credentials) {
      const displayName = name().trim();
      if (displayName === "" && joinSettings.requireDisplayName) {
        setNameError(t().prejoin.nameMissing);
        return false;
      }
      if (displayName !== "") preferences.change({ displayName });
      if (mayAsk()) open();
      void meeting.join(credentials === null ? { displayName } : { displayName, credentials });
      return true;
    },
  };
}

/** Names for devices whose labels the browser keeps back. */
export function deviceChoices(devices: readonly Device[], kind: string): readonly { readonly value: string; readonly label: string }[] {
  const named = devices
    .filter((device) => device.id !== "")
    .map((device, index) => ({ value: device.id, label: device.label === "" ? t().prejoin.deviceNumber(kind, index + 1) : device.label }));
  return [{ value: "", label: t().prejoin.systemDefault }, ...named];
}

/** What is wrong with a device and what to do about it. */
export function problemWords(code: ErrorCode): DeviceProblem {
  const words = t().prejoin;
  switch (code) {
    case "device-permission-denied":
      return { title: words.permissionTitle, help: words.permissionHelp };
    case "device-not-found":
      return { title: words.missingTitle, help: words.missingHelp };
    case "device-in-use":
      return { title: words.busyTitle, help: words.busyHelp };
    case "browser-unsupported":
      return { title: words.unsupportedTitle, help: words.unsupportedHelp };
    default:
      return { title: words.failedTitle, help: words.failedHelp };
  }
}

/** Asks the browser whether camera and microphone may be opened without a question to the person. */
export async function devicePermission(): Promise<"granted" | "ask"> {
  try {
    const answers = await Promise.all(["camera", "microphone"].map((name) => navigator.permissions.query({ name: name as PermissionName })));
    return answers.some((answer) => answer.state === "prompt") ? "ask" : "granted";
  } catch {
    // A browser that cannot be asked shows its own question.
    return "ask";
  }
}
