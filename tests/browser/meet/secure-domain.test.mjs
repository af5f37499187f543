// With auth.required, members open rooms and guests join them.

import { after, before, test } from "node:test";
import { launchChromium } from "../lib/browsers.mjs";
import { waitForMedia } from "../lib/media.mjs";
import { inMeeting } from "../lib/people.mjs";
import { Stack } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";

const PASSWORD = "a long enough secret";
let stack;
let chromium;
before(async () => {
  stack = await Stack.start({ set: ["auth.required=true"] });
  await stack.trust();
  await stack.addUser("mia", PASSWORD);
  chromium = await launchChromium(stack);
});
after(async () => {
  await chromium?.close();
  await stack?.stop();
});

test("a guest waits for a member to open the room, and is let in when one does", async () => {
  const fragment = "config.prejoinConfig.enabled=false&config.p2p.enabled=false&userInfo.displayName=";
  const guest = await chromium.newPage();
  guest.name = "Guest";
  await guest.goto(stack.room("board", { fragment: `${fragment}%22Guest%22` }));
  await waitFor("the guest to be told to wait", () => guest.has("waiting-for-host"), 60_000);

  const member = await chromium.newPage();
  member.name = "Mia";
  await member.goto(stack.room("board", { fragment: `${fragment}%22Mia%22` }));
  await waitFor("the member to be asked", () => member.has("waiting-for-host"), 60_000);
  await member.click("sign-in");
  await waitFor("the sign-in form", () => member.has("sign-in-username"));
  await member.fill("sign-in-username", "mia");
  await member.fill("sign-in-password", PASSWORD);
  await member.click("sign-in-submit");
  await inMeeting(member);
  await inMeeting(guest);
  await Promise.all([waitForMedia(guest, 1, "the guest"), waitForMedia(member, 1, "Mia")]);
});
