/** Ourselves in the meeting: name, hand, devices, and the presence that tells the others. */

import { randomHex, type Environment } from "../clock";
import type { ClientConfig } from "../config";
import { Emitter, Signal, type Events, type Readable, type Unsubscribe } from "../reactive";
import { receivableCodecs } from "../media/capabilities";
import type { LocalDevice, LocalMedia } from "../media/local-media";
import type { Slot } from "../media/connection";
import type { OwnPresence } from "../protocol/presence";
import type { LocalParticipant } from "./meeting";
import { deviceView, shallowEqual } from "./views";

export interface SlotChange {
  readonly slot: Slot;
  /** What is to be sent; null: nothing. */
  readonly track: MediaStreamTrack | null;
}

export class OwnSide {
  readonly local: Readable<LocalParticipant>;
  /** A device was opened or closed. */
  readonly slotChanges: Events<SlotChange>;
  /** Something the others are told by presence changed. */
  readonly changed: Events<void>;
  capsVersion = "";
  readonly #local: Signal<LocalParticipant>;
  readonly #slotChanges = new Emitter<SlotChange>();
  readonly #changed = new Emitter<void>();
  readonly #config: ClientConfig;
  readonly #media: LocalMedia;
  readonly #statsId: string;
  readonly #subscriptions: readonly Unsubscribe[];

  constructor(config: ClientConfig, environment: Environment, media: LocalMedia) {
    this.#config = config;
    this.#media = media;
    this.#statsId = `guest-${randomHex(environment.random, 3)}`;
    this.#local = new Signal<LocalParticipant>({
      id: null,
      displayName: config.displayName ?? "",
      role: "none",
      raisedHandAt: null,
      microphone: deviceView(media.microphone.get()),
      camera: deviceView(media.camera.get()),
      screen: deviceView(media.screen.get()),
      cameraStream: media.camera.get().stream,
      screenStream: media.screen.get().stream,
      audioForceMuted: false,
      videoForceMuted: false,
    });
    this.local = this.#local;
    this.slotChanges = this.#slotChanges;
    this.changed = this.#changed;
    this.#subscriptions = (["microphone", "camera", "screen"] as const).map((slot) =>
      media[slot].subscribe((device) => {
        this.#onDevice(slot, device);
      }),
    );
  }

  /** What is open now, for a new attendance. */
  get slots(): readonly SlotChange[] {
    return (["microphone", "camera", "screen"] as const).flatMap((slot) => {
      const { on, track } = this.#media[slot].get();
      return on && track !== null ? [{ slot, track }] : [];
    });
  }

  /** For what the others aren't told, or are told by the server. */
  change(change: Partial<LocalParticipant>): void {
    const next = { ...this.#local.get(), ...change };
    if (!shallowEqual(this.#local.get(), next)) this.#local.set(next);
  }

  /** For what the others are told. */
  announce(change: Pick<Partial<LocalParticipant>, "displayName" | "raisedHandAt">): void {
    this.change(change);
    this.#changed.emit();
  }

  presence(id: string): OwnPresence {
    const { microphone, camera, screen } = this.#media;
    const { displayName, raisedHandAt } = this.#local.get();
    return {
      displayName,
      statsId: this.#statsId,
      capsVersion: this.capsVersion,
      sourceInfo: {
        [`${id}-a0`]: { muted: !microphone.get().on, videoType: "camera" },
        [`${id}-v0`]: { muted: !camera.get().on, videoType: "camera" },
        ...(screen.get().on ? { [`${id}-v1`]: { muted: false, videoType: "desktop" as const } } : {}),
      },
      codecList: receivableCodecs(this.#config.codecPreference),
      raisedHandAt,
      avatarUrl: this.#config.avatarUrl,
      email: this.#config.email,
    };
  }

  close(): void {
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    this.#media.close();
    const closed = { on: false, busy: false, error: null };
    this.change({ id: null, microphone: closed, camera: closed, screen: closed, cameraStream: null, screenStream: null });
  }

  #onDevice(slot: Slot, device: LocalDevice): void {
    const view = deviceView(device);
    const before = this.#local.get()[slot];
    this.change({
      [slot]: shallowEqual(before, view) ? before : view,
      ...(slot === "camera" ? { cameraStream: device.stream } : {}),
      ...(slot === "screen" ? { screenStream: device.stream } : {}),
    });
    if (device.busy) return;
    this.#slotChanges.emit({ slot, track: device.on ? device.track : null });
    this.#changed.emit();
  }
}
