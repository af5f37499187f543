/** The interface on a demo meeting: `demo.html?at=/garden-club&people=5&phase=joined`. Never part of the build. */

import { render } from "solid-js/web";
import { chooseLanguage, speak } from "../../src/messages/catalogue";
import type { MediaPath, MeetingPhase } from "../../src/session/meeting";
import { App } from "../../src/ui/App";
import "../../src/ui/theme/base.css";
import { createPreferences } from "../../src/view-model/preferences";
import { demoAccount, demoMeeting } from "./demo-meeting";
import type { DemoWish } from "./demo-meeting";
import * as painters from "./painted-stream";

const wishes = new URLSearchParams(location.search);
const flag = (name: string): boolean => wishes.get(name) === "1";
const wish: DemoWish = {
  people: Number(wishes.get("people") ?? "1"),
  phase: (wishes.get("phase") ?? "idle") as MeetingPhase["kind"],
  path: (wishes.get("path") ?? "server") as MediaPath,
  sharing: flag("sharing"),
  visitors: Number(wishes.get("visitors") ?? "0"),
  moderator: flag("moderator"),
  deviceError: wishes.get("error") as DemoWish["deviceError"],
  wrongPassword: flag("wrong"),
  chat: flag("chat"),
};
history.replaceState(null, "", (wishes.get("at") ?? "/") + location.hash);

const account = demoAccount(flag("signedin"));
let round = 0;
await speak(chooseLanguage([wishes.get("lang") ?? "en"]));
const root = document.getElementById("root");
if (root !== null) {
  render(
    () => (
      <App
        services={{
          account: async () => account,
          async meeting(room) {
            const meeting = demoMeeting(room, (round += 1) === 1 ? wish : { ...wish, phase: "idle" }, painters);
            setInterval(() => meeting.happen.setOwnLevel(meeting.local.get().microphone.on ? 0.06 + Math.random() * 0.3 : 0), 200);
            return meeting;
          },
          joinSettings: { prejoin: true, displayName: null, requireDisplayName: true, startWithAudioMuted: false, startWithVideoMuted: false },
          preferences: createPreferences(() => sessionStorage),
          pick: (limit) => Math.floor(limit / 3),
          now: () => Date.now(),
        }}
      />
    ),
    root,
  );
}
