/** Entry of the session layer: everything made and wired in one place. */

import { systemEnvironment } from "../clock";
import type { ClientConfig } from "../config";
import { browserCapabilities } from "../media/capabilities";
import { BrowserMediaConnection } from "../media/connection";
import { LocalMedia, type DeviceSelection } from "../media/local-media";
import { audioGraphProbe, microphoneLevel } from "../media/microphone-level";
import { capsString } from "../protocol/disco";
import type { Account } from "./account";
import { AccountSession } from "./account-session";
import type { Meeting } from "./meeting";
import { MeetingSession } from "./meeting-session";

export interface MeetingOptions {
  readonly config: ClientConfig;
  /** As `roomOfPath` gives it. */
  readonly room: string;
  /** Remembered device ids. */
  readonly devices?: Partial<DeviceSelection>;
}

export function createMeeting(options: MeetingOptions): Meeting {
  const { config, room } = options;
  const localMedia = new LocalMedia({
    heightPx: config.resolutionPx,
    screenFps: config.screenShareFps,
    labels: config.deviceLabels,
    selection: { microphone: null, camera: null, speaker: null, ...options.devices },
  });
  const meeting = new MeetingSession(room, {
    config,
    environment: systemEnvironment,
    capabilities: browserCapabilities(),
    localMedia,
    ownLevel: microphoneLevel(localMedia.microphone, systemEnvironment.clock, audioGraphProbe),
    makeConnection: (connection) => new BrowserMediaConnection(connection),
    capsVersion,
  });
  // Reloading or closing the page leaves at once; the others need not wait for the server to notice.
  const onPageHide = (): void => {
    void meeting.leave();
  };
  addEventListener("pagehide", onPageHide);
  meeting.phase.subscribe((phase) => {
    if (phase.kind === "ended") removeEventListener("pagehide", onPageHide);
  });
  return meeting;
}

export function createAccount(config: ClientConfig): Account {
  return new AccountSession(config, systemEnvironment);
}

async function capsVersion(): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(capsString()));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}
