// A member's own password, in the web page.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium } from "../lib/browsers.mjs";
import { Stack } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";
import { RawXmpp } from "../lib/xmpp.mjs";

const OLD = "the first password";
const NEW = "a newer, better one";
let stack;
let chromium;
let page;
before(async () => {
  stack = await Stack.start();
  await stack.trust();
  await stack.addUser("ivan", OLD);
  chromium = await launchChromium(stack);
  page = await chromium.newPage();
  page.name = "Ivan";
});
after(async () => {
  await chromium?.close();
  await stack?.stop();
});

async function accepted(name, password) {
  const client = await RawXmpp.connect(stack);
  const message = Buffer.from(`\0${name}\0${password}`).toString("base64");
  client.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${message}</auth>`);
  const [answer] = await client.expect(/<(success|failure)\b/);
  client.close();
  return answer.includes("success");
}

async function signIn(person, name, password) {
  await person.goto(`${stack.url}account`);
  await waitFor("the sign-in form", () => person.has("sign-in-username"));
  await person.fill("sign-in-username", name);
  await person.fill("sign-in-password", password);
  await person.click("sign-in-submit");
}

async function change(current, fresh, again) {
  await page.fill("account-current", current);
  await page.fill("account-new", fresh);
  await page.fill("account-repeat", again);
  await page.click("account-submit");
}

const errorShown = (what) => waitFor(`a message about ${what}`, async () => (await page.text("account-error")) || null);

test("a wrong password does not sign in, and the page says so", async () => {
  await signIn(page, "ivan", "not this one");
  assert.ok(await waitFor("a message", async () => (await page.text("sign-in-error")) || null));
});

test("a member signs in and sees the account page", async () => {
  await signIn(page, "ivan", OLD);
  await waitFor("the account page", () => page.has("account-current"));
});

test("a wrong current password, a short one and two that differ: a clear message each, and nothing changes", async () => {
  const seen = new Set();
  for (const [current, fresh, again, what] of [
    ["not this one", NEW, NEW, "the wrong current password"],
    [OLD, "short", "short", "the short password"],
    [OLD, NEW, `${NEW}!`, "the two that differ"],
  ]) {
    await change(current, fresh, again);
    seen.add(await errorShown(what));
    assert.equal(await accepted("ivan", OLD), true, what);
  }
  assert.equal(seen.size, 3, [...seen].join(" | "));
});

test("the new password is taken: the old one is refused after, and other streams of the account are closed", async () => {
  const elsewhere = await RawXmpp.connect(stack);
  await elsewhere.signIn("ivan", OLD);
  await change(OLD, NEW, NEW);
  assert.ok(await waitFor("the good news", async () => (await page.text("account-success")) || null));
  await elsewhere.untilClosed();
  assert.equal(await accepted("ivan", OLD), false);
  assert.equal(await accepted("ivan", NEW), true);
});

test("an invited person sets their own password by a link that works once, and signs in", async () => {
  const { stdout } = await stack.cli("user", "invite", "olga");
  const link = stdout.trim();
  const guest = await chromium.newPage();
  await guest.goto(link);
  await waitFor("the invite form", () => guest.has("invite-new"));
  await guest.fill("invite-new", NEW);
  await guest.fill("invite-repeat", NEW);
  await guest.click("invite-submit");
  assert.ok(await waitFor("the good news", async () => (await guest.has("invite-success")) || (await guest.has("account-current"))));
  assert.equal(await accepted("olga", NEW), true);

  const second = await chromium.newPage();
  await second.goto(link);
  await waitFor("the form or a message", async () => (await second.has("invite-new")) || (await second.has("invite-error")));
  if (await second.has("invite-new")) {
    await second.fill("invite-new", OLD);
    await second.fill("invite-repeat", OLD);
    await second.click("invite-submit");
    await waitFor("a message", () => second.has("invite-error"));
  }
  assert.equal(await accepted("olga", OLD), false);

  const again = await chromium.newPage();
  await signIn(again, "olga", NEW);
  await waitFor("the account page", () => again.has("account-current"));
});
