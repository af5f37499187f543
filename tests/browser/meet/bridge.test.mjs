// Four people in one room through the bridge: three Chromium pages and one Firefox page.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, launchFirefox } from "../lib/browsers.mjs";
import { received, waitForMedia } from "../lib/media.mjs";
import { act, encryption, inMeeting, join, microphoneOn } from "../lib/people.mjs";
import { Stack } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";

let stack;
let chromium;
let firefox;
const people = {};
before(async () => {
  stack = await Stack.start();
  const stores = await stack.trust();
  assert.ok(stores.find((store) => store.store === "Chromium")?.trusted, JSON.stringify(stores));
  chromium = await launchChromium(stack);
  firefox = await launchFirefox(stack);
});
after(async () => {
  await chromium?.close();
  await firefox?.close();
  await stack?.stop();
});

test("three Chromium pages and a Firefox page each see and hear all the others", async () => {
  people.ann = await join(chromium, stack, "four", "Ann");
  people.ben = await join(chromium, stack, "four", "Ben");
  people.cleo = await join(chromium, stack, "four", "Cleo");
  people.fay = await join(firefox, stack, "four", "Fay");
  await Promise.all(Object.values(people).map((person) => waitForMedia(person, 3, person.name)));
  const stats = await stack.bridgeStats();
  assert.equal(stats.participants, 4);
});

test("everybody is told that media goes through the server", async () => {
  for (const person of Object.values(people)) assert.match(await encryption(person), /server/i, person.name);
});

test("chat reaches everybody", async () => {
  const { ann, ben, fay } = people;
  await ann.click("chat-toggle");
  await waitFor("the chat", () => ann.has("chat-input"));
  await ann.fill("chat-input", "Hello, everybody");
  await ann.press("Enter");
  for (const person of [ben, fay]) {
    await person.click("chat-toggle");
    await waitFor(`the message at ${person.name}`, async () => (await person.text("chat-log"))?.includes("Hello, everybody"));
    await person.click("chat-toggle");
  }
  await ann.click("chat-toggle");
});

test("somebody muted by the moderator is heard by nobody", async () => {
  const { ann, ben, cleo } = people;
  assert.equal(await microphoneOn(cleo), true);
  await act(ann, "Cleo", "action-mute");
  await waitFor("Cleo's button to say so", async () => !(await microphoneOn(cleo)));
  await waitForMedia(ben, { video: 3, audio: 2 }, "Ben");
  await cleo.click("mic-toggle");
  await waitForMedia(ben, 3, "Ben");
});

test("a shared screen reaches the others as a further picture", async () => {
  const { ann, ben, cleo, fay } = people;
  await ben.click("screen-toggle");
  await Promise.all([ann, cleo, fay].map((person) => waitForMedia(person, { video: 4, audio: 3 }, person.name)));
  await ben.click("screen-toggle");
  await Promise.all([ann, cleo, fay].map((person) => waitForMedia(person, 3, person.name)));
});

test("when one reloads the page, all see and hear each other again", async () => {
  await people.cleo.reload();
  await inMeeting(people.cleo);
  await Promise.all(Object.values(people).map((person) => waitForMedia(person, 3, person.name)));
});

test("when one leaves, the others go on without", async () => {
  await people.fay.click("leave-button");
  await waitFor("the end page", async () => !(await people.fay.has("meeting")));
  delete people.fay;
  await Promise.all(Object.values(people).map((person) => waitForMedia(person, 2, person.name)));
  await waitFor("the bridge to have forgotten her", async () => (await stack.bridgeStats()).participants === 3);
});

test("nobody's page reported an error", async () => {
  for (const person of Object.values(people)) assert.deepEqual(person.errors, [], person.name);
  for (const person of Object.values(people)) {
    const streams = Object.values(await received(person));
    assert.ok(streams.length > 0);
  }
});
