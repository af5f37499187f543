// Each process is killed in a meeting: it is started again, and the people meet on by themselves.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium } from "../lib/browsers.mjs";
import { waitForMedia } from "../lib/media.mjs";
import { join } from "../lib/people.mjs";
import { Stack } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";

let stack;
let chromium;
let people;
before(async () => {
  stack = await Stack.start();
  await stack.trust();
  chromium = await launchChromium(stack);
  people = [];
  for (const name of ["Ann", "Ben"]) people.push(await join(chromium, stack, "sturdy", name));
  await Promise.all(people.map((person) => waitForMedia(person, 1, person.name)));
});
after(async () => {
  await chromium?.close();
  await stack?.stop();
});

for (const part of ["videobridge", "focus", "xmpp-server"]) {
  test(`killing the ${part}: it comes back and media flows again by itself`, async (context) => {
    const pid = await stack.pid(part);
    process.kill(pid, "SIGKILL");
    const killed = performance.now();
    await waitFor(`another ${part}`, async () => {
      const now = await stack.pid(part);
      return now && now !== pid;
    });
    await waitFor("the stack to be ready", async () => (await stack.status()).ready, 60_000);
    // The bridge, or the focus' way to it, may have gone unnoticed by a stream that still plays out.
    await Promise.all(people.map((person) => waitForMedia(person, 1, person.name, 120_000)));
    const seconds = ((performance.now() - killed) / 1_000).toFixed(1);
    context.diagnostic(`${part}: media again ${seconds} s after SIGKILL`);
    const status = await stack.status();
    assert.ok(status.processes.find((process) => process.name === part).restarts >= 1);
  });
}
