// Two people connect directly; a third moves everybody to the bridge, and back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium } from "../lib/browsers.mjs";
import { waitForMedia, watchGap } from "../lib/media.mjs";
import { encryption, join } from "../lib/people.mjs";
import { Stack } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";

/** Longest time without a new picture while the path of media changes. */
const GAP_MS_MAX = 2_000;

let stack;
let chromium;
let ann;
let ben;
let cleo;
before(async () => {
  stack = await Stack.start();
  await stack.trust();
  chromium = await launchChromium(stack, { extraArguments: ["--disable-features=WebRtcHideLocalIpsWithMdns"] });
});
after(async () => {
  await chromium?.close();
  await stack?.stop();
});

/** Packets the bridge sends to clients in a second. */
async function bridgeSends() {
  const before = (await stack.bridgeStats()).total_packets_sent;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return (await stack.bridgeStats()).total_packets_sent - before;
}

const says = (person, pattern) =>
  waitFor(`${person.name}'s badge to say ${pattern}`, async () => pattern.test(await encryption(person)), 60_000);

test("two pages connect directly and the bridge forwards nothing for them", async () => {
  ann = await join(chromium, stack, "pair", "Ann", { p2p: true });
  ben = await join(chromium, stack, "pair", "Ben", { p2p: true });
  await Promise.all([says(ann, /direct/i), says(ben, /direct/i)]);
  await Promise.all([waitForMedia(ann, 1, "Ann"), waitForMedia(ben, 1, "Ben")]);
  // Checks and reports still go; media would be hundreds of packets.
  await waitFor("the bridge to be quiet", async () => (await bridgeSends()) < 40, 60_000);
});

test("a third person moves all to the bridge without a gap over two seconds", async () => {
  const gaps = await Promise.all([watchGap(ann), watchGap(ben)]);
  cleo = await join(chromium, stack, "pair", "Cleo", { p2p: true });
  await Promise.all([ann, ben, cleo].map((person) => waitForMedia(person, 2, person.name)));
  await Promise.all([ann, ben, cleo].map((person) => says(person, /server/i)));
  for (const gap of gaps) {
    const longest = await gap.stop();
    assert.ok(longest < GAP_MS_MAX, `no picture for ${longest} ms`);
  }
});

test("when the third leaves, the two are direct again, without a gap over two seconds", async () => {
  const gaps = await Promise.all([watchGap(ann), watchGap(ben)]);
  await cleo.click("leave-button");
  await Promise.all([says(ann, /direct/i), says(ben, /direct/i)]);
  await Promise.all([waitForMedia(ann, 1, "Ann"), waitForMedia(ben, 1, "Ben")]);
  for (const gap of gaps) {
    const longest = await gap.stop();
    assert.ok(longest < GAP_MS_MAX, `no picture for ${longest} ms`);
  }
});
