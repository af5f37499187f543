/** Our microphone, camera and screen: opening, switching, closing, and what went wrong. */

import { ClientError, type ErrorCode } from "../errors";
import { Emitter, Signal, type Events, type Readable } from "../reactive";

export interface DeviceEntry {
  readonly id: string;
  readonly label: string;
}

export interface DeviceSet {
  readonly microphones: readonly DeviceEntry[];
  readonly cameras: readonly DeviceEntry[];
  readonly speakers: readonly DeviceEntry[];
}

export interface DeviceSelection {
  readonly microphone: string | null;
  readonly camera: string | null;
  readonly speaker: string | null;
}

export interface LocalDevice {
  readonly on: boolean;
  readonly busy: boolean;
  readonly error: ClientError | null;
  /** What is sent while `on`. */
  readonly track: MediaStreamTrack | null;
  readonly stream: MediaStream | null;
}

const OFF: LocalDevice = { on: false, busy: false, error: null, track: null, stream: null };

export interface LocalMediaOptions {
  readonly heightPx: number;
  readonly screenFps: number;
  /** Labels asked for by the address; they beat the remembered ids. */
  readonly labels: { readonly audioInput: string | null; readonly videoInput: string | null; readonly audioOutput: string | null };
  readonly selection: DeviceSelection;
}

export type DeviceEvent = { readonly kind: "replaced"; readonly media: "audio" | "video" };

type Kind = "microphone" | "camera";

export class LocalMedia {
  readonly microphone: Readable<LocalDevice>;
  readonly camera: Readable<LocalDevice>;
  readonly screen: Readable<LocalDevice>;
  readonly devices: Readable<DeviceSet>;
  readonly selection: Readable<DeviceSelection>;
  readonly events: Events<DeviceEvent>;
  readonly #states = { microphone: new Signal(OFF), camera: new Signal(OFF), screen: new Signal(OFF) };
  readonly #devices = new Signal<DeviceSet>({ microphones: [], cameras: [], speakers: [] });
  readonly #selection: Signal<DeviceSelection>;
  readonly #events = new Emitter<DeviceEvent>();
  readonly #options: LocalMediaOptions;
  readonly #mediaDevices: MediaDevices;
  /** One opening or closing at a time for each kind. */
  readonly #work: Record<Kind, Promise<void>> = { microphone: Promise.resolve(), camera: Promise.resolve() };
  #closed = false;

  constructor(options: LocalMediaOptions, mediaDevices: MediaDevices = navigator.mediaDevices) {
    this.#options = options;
    this.#mediaDevices = mediaDevices;
    this.#selection = new Signal(options.selection);
    this.microphone = this.#states.microphone;
    this.camera = this.#states.camera;
    this.screen = this.#states.screen;
    this.devices = this.#devices;
    this.selection = this.#selection;
    this.events = this.#events;
    mediaDevices?.addEventListener("devicechange", this.#onDeviceChange);
  }

  setMicrophone(on: boolean): Promise<void> {
    return this.#enqueue("microphone", async () => {
      const state = this.#states.microphone;
      if (!on) {
        // The device stays open, so that speaking again is instant; nothing of it leaves this page.
        const { track, stream } = state.get();
        if (track !== null) track.enabled = false;
        state.set({ ...OFF, track, stream });
        return;
      }
      const { track, stream } = state.get();
      if (track !== null && track.readyState === "live") {
        track.enabled = true;
        state.set({ ...OFF, on: true, track, stream });
        return;
      }
      await this.#open("microphone");
    });
  }

  setCamera(on: boolean): Promise<void> {
    return this.#enqueue("camera", async () => {
      const state = this.#states.camera;
      if (on && state.get().on) return;
      if (on) {
        await this.#open("camera");
        return;
      }
      stop(state.get());
      state.set(OFF);
    });
  }

  async setScreen(on: boolean): Promise<void> {
    const state = this.#states.screen;
    const current = state.get();
    if (!on) {
      stop(current);
      state.set(OFF);
      return;
    }
    if (current.on || current.busy) return;
    if (typeof this.#mediaDevices?.getDisplayMedia !== "function") {
      state.set({ ...OFF, error: new ClientError("screen-share-unsupported") });
      return;
    }
    state.set({ ...OFF, busy: true });
    try {
      const stream = await this.#mediaDevices.getDisplayMedia({ video: { frameRate: { max: this.#options.screenFps } }, audio: false });
      const [track] = stream.getVideoTracks();
      if (track === undefined) throw new ClientError("device-failed");
      track.contentHint = "detail";
      // The browser's own "stop sharing".
      track.addEventListener("ended", () => {
        if (state.get().track === track) state.set(OFF);
      });
      state.set({ on: true, busy: false, error: null, track, stream });
    } catch (error) {
      const cancelled = error instanceof DOMException && (error.name === "NotAllowedError" || error.name === "AbortError");
      state.set({ ...OFF, error: cancelled ? null : deviceError(error) });
    }
  }

  async select(choice: Partial<DeviceSelection>): Promise<void> {
    const before = this.#selection.get();
    this.#selection.set({ ...before, ...choice });
    if (choice.microphone !== undefined && choice.microphone !== before.microphone) await this.#reopen("microphone");
    if (choice.camera !== undefined && choice.camera !== before.camera) await this.#reopen("camera");
  }

  async refreshDevices(): Promise<void> {
    if (typeof this.#mediaDevices?.enumerateDevices !== "function") return;
    const all = await this.#mediaDevices.enumerateDevices();
    const ofKind = (kind: MediaDeviceKind): readonly DeviceEntry[] =>
      all.filter((device) => device.kind === kind && device.deviceId !== "").map((device) => ({ id: device.deviceId, label: device.label }));
    this.#devices.set({ microphones: ofKind("audioinput"), cameras: ofKind("videoinput"), speakers: ofKind("audiooutput") });
  }

  close(): void {
    this.#closed = true;
    this.#mediaDevices?.removeEventListener("devicechange", this.#onDeviceChange);
    for (const state of Object.values(this.#states)) {
      stop(state.get());
      state.set(OFF);
    }
  }

  readonly #onDeviceChange = (): void => {
    this.refreshDevices().catch((error: unknown) => {
      console.debug("devices could not be listed", error);
    });
  };

  #enqueue(kind: Kind, action: () => Promise<void>): Promise<void> {
    const result = this.#work[kind].then(action);
    this.#work[kind] = result;
    return result;
  }

  #reopen(kind: Kind): Promise<void> {
    return this.#enqueue(kind, async () => {
      const current = this.#states[kind].get();
      if (current.track === null) return;
      const wasOn = current.on;
      stop(current);
      if (wasOn) await this.#open(kind);
      else this.#states[kind].set(OFF);
    });
  }

  /** Failures end in the state, never in a rejection. */
  async #open(kind: Kind): Promise<void> {
    const state = this.#states[kind];
    if (this.#closed) return;
    state.set({ ...OFF, busy: true });
    try {
      const stream = await this.#request(kind);
      const [track] = stream.getTracks();
      if (track === undefined) throw new ClientError("device-failed");
      if (this.#closed) {
        track.stop();
        return;
      }
      track.contentHint = kind === "camera" ? "motion" : "speech";
      track.addEventListener("ended", () => {
        this.#onEnded(kind, track);
      });
      state.set({ on: true, busy: false, error: null, track, stream });
    } catch (error) {
      state.set({ ...OFF, error: deviceError(error) });
    }
    await this.refreshDevices();
  }

  async #request(kind: Kind): Promise<MediaStream> {
    if (typeof this.#mediaDevices?.getUserMedia !== "function") throw new ClientError("browser-unsupported");
    const id = await this.#wantedDevice(kind);
    try {
      return await this.#mediaDevices.getUserMedia(this.#constraints(kind, id));
    } catch (error) {
      // The remembered device is gone or cannot do it: any other is better than none.
      const name = error instanceof DOMException ? error.name : "";
      if (id === null || (name !== "OverconstrainedError" && name !== "NotFoundError" && name !== "NotReadableError")) throw error;
      return this.#mediaDevices.getUserMedia(this.#constraints(kind, null));
    }
  }

  async #wantedDevice(kind: Kind): Promise<string | null> {
    const label = kind === "microphone" ? this.#options.labels.audioInput : this.#options.labels.videoInput;
    const chosen = this.#selection.get()[kind];
    if (chosen !== null || label === null) return chosen;
    await this.refreshDevices();
    const list = kind === "microphone" ? this.#devices.get().microphones : this.#devices.get().cameras;
    return list.find((device) => device.label === label)?.id ?? null;
  }

  #constraints(kind: Kind, id: string | null): MediaStreamConstraints {
    const device = id === null ? {} : { deviceId: { exact: id } };
    if (kind === "microphone") return { audio: { ...device, echoCancellation: true, noiseSuppression: true, autoGainControl: true } };
    const height = this.#options.heightPx;
    return { video: { ...device, height: { ideal: height, max: height }, width: { ideal: Math.round((height * 16) / 9) }, frameRate: { max: 30 } } };
  }

  /** Unplugged, or taken away by the system. */
  #onEnded(kind: Kind, track: MediaStreamTrack): void {
    const state = this.#states[kind];
    if (state.get().track !== track) return;
    const wasOn = state.get().on;
    state.set(OFF);
    if (!wasOn || this.#closed) return;
    void this.#enqueue(kind, async () => {
      await this.#open(kind);
      if (state.get().on) this.#events.emit({ kind: "replaced", media: kind === "camera" ? "video" : "audio" });
    });
  }
}

function stop(device: LocalDevice): void {
  for (const track of device.stream?.getTracks() ?? []) track.stop();
}

const ERROR_CODES: Readonly<Record<string, ErrorCode>> = {
  NotAllowedError: "device-permission-denied",
  SecurityError: "device-permission-denied",
  NotFoundError: "device-not-found",
  OverconstrainedError: "device-not-found",
  NotReadableError: "device-in-use",
  AbortError: "device-in-use",
};

function deviceError(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  const name = error instanceof DOMException ? error.name : "";
  return new ClientError(ERROR_CODES[name] ?? "device-failed", { cause: error });
}
