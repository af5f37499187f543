import { createSignal } from "solid-js";
import type { Accessor } from "solid-js";
import type { DeviceChoice } from "../session/meeting";

/** What this browser remembers between meetings; nothing of it is sent anywhere by itself. */
export interface Preferences {
  readonly displayName: string;
  readonly microphoneOn: boolean;
  readonly cameraOn: boolean;
  readonly devices: DeviceChoice;
  /** Single-key shortcuts (WCAG 2.1.4: they can be switched off). */
  readonly shortcuts: boolean;
}

export const PREFERENCES_DEFAULT: Preferences = {
  displayName: "",
  microphoneOn: true,
  cameraOn: true,
  devices: { microphone: null, camera: null, speaker: null },
  shortcuts: true,
};

/** Longest display name we send. */
export const DISPLAY_NAME_CHARACTERS_MAX = 60;

const KEY = "conclave.preferences";

export interface PreferenceStore {
  readonly value: Accessor<Preferences>;
  change(part: Partial<Preferences>): void;
}

/** Reads and keeps the preferences in `storage`; a browser that forbids storage forgets them with the tab. */
export function createPreferences(storage: () => Storage): PreferenceStore {
  const [value, setValue] = createSignal(read(storage));
  return {
    value,
    change(part) {
      const next = { ...value(), ...part };
      setValue(next);
      try {
        storage().setItem(KEY, JSON.stringify(next));
      } catch {
        // Storage is full or forbidden: the choice holds for this tab.
      }
    },
  };
}

function read(storage: () => Storage): Preferences {
  let stored: unknown = null;
  try {
    stored = JSON.parse(storage().getItem(KEY) ?? "null");
  } catch {
    // Unreadable or forbidden: as on the first visit.
  }
  if (typeof stored !== "object" || stored === null) return PREFERENCES_DEFAULT;
  const fields = stored as Readonly<Record<string, unknown>>;
  const devices = (typeof fields["devices"] === "object" && fields["devices"] !== null ? fields["devices"] : {}) as Readonly<
    Record<string, unknown>
  >;
  return {
    displayName: text(fields["displayName"])?.slice(0, DISPLAY_NAME_CHARACTERS_MAX) ?? "",
    microphoneOn: flag(fields["microphoneOn"], PREFERENCES_DEFAULT.microphoneOn),
    cameraOn: flag(fields["cameraOn"], PREFERENCES_DEFAULT.cameraOn),
    devices: { microphone: text(devices["microphone"]), camera: text(devices["camera"]), speaker: text(devices["speaker"]) },
    shortcuts: flag(fields["shortcuts"], PREFERENCES_DEFAULT.shortcuts),
  };
}

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
const flag = (value: unknown, otherwise: boolean): boolean => (typeof value === "boolean" ? value : otherwise);
