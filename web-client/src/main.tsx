/** Boot in visible order. */

import { render } from "solid-js/web";
import { resolveConfig, roomOfPath } from "./config";
import { chooseLanguage, speak } from "./messages/catalogue";
import type { Account } from "./session/account";
import { App } from "./ui/App";
import "./ui/theme/base.css";
import { createPreferences } from "./view-model/preferences";
import { browserPick } from "./view-model/room-name";
import { roomPath } from "./view-model/route";
import type { Services } from "./view-model/services";

const config = resolveConfig((globalThis as { config?: unknown }).config, location);
const preferences = createPreferences(() => localStorage);

// What speaks with the server is loaded by the first page that needs it.
let account: Promise<Account> | undefined;
const services: Services = {
  account: () => (account ??= import("./session/start").then(({ createAccount }) => createAccount(config))),
  async meeting(room) {
    const { createMeeting } = await import("./session/start");
    return createMeeting({ config, room: roomOfPath(roomPath(room)) ?? room, devices: preferences.value().devices });
  },
  joinSettings: {
    prejoin: config.prejoinEnabled,
    displayName: config.displayName,
    requireDisplayName: config.requireDisplayName,
    startWithAudioMuted: config.startWithAudioMuted || config.startSilent,
    startWithVideoMuted: config.startWithVideoMuted,
  },
  preferences,
  pick: browserPick,
  now: () => Date.now(),
};

await speak(chooseLanguage(navigator.languages));
const root = document.getElementById("root");
if (root !== null) render(() => <App services={services} />, root);
