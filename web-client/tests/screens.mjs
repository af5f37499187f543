#!/usr/bin/env node
/**
 * Builds the interface with the demo meeting, serves it under a strict content security policy, opens every screen in
 * Chromium, audits it with axe (WCAG 2.2 A and AA), looks for requests to other hosts, for errors and for breaches of
 * the policy, and takes pictures.
 *
 * Usage: node tests/screens.mjs [--out DIR] [--only PART-OF-NAME]
 * CHROMIUM names the browser (default /usr/bin/chromium). Exit code 1 when anything was found.
 */
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";
import { serveDemo } from "./serve-demo.mjs";

const require = createRequire(import.meta.url);
const argument = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? null : process.argv[at + 1];
};
const out = argument("--out");
const only = argument("--only") ?? "";

const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const room = "/quiet-otter-golden-harbour-417";
const meeting = (wishes) => `?at=${room}&phase=joined&${wishes}`;

/** name, address of the demo, and what to do before looking. */
const SCREENS = [
  ["welcome", "?at=/"],
  ["welcome-invalid", "?at=/", async (page) => {
    await page.getByTestId("room-input").fill("a/b?");
    await page.getByTestId("start-button").click();
  }],
  ["prejoin", `?at=${room}`, (page) => page.getByTestId("allow-devices").or(page.getByTestId("mic-toggle")).first().waitFor()],
  ["prejoin-on", `?at=${room}`, openDevices],
  ["prejoin-devices", `?at=${room}`, async (page) => {
    await openDevices(page);
    await page.getByTestId("device-settings").locator("summary").click();
  }],
  ["prejoin-refused", `?at=${room}&error=device-permission-denied`, async (page) => {
    await openDevices(page);
    await page.getByTestId("device-problem").waitFor();
    await page.getByTestId("join-button").click();
    await page.getByTestId("name-error").waitFor();
  }],
  ["meeting-1", meeting("people=1&path=none")],
  ["meeting-2", meeting("people=2&path=direct")],
  ["meeting-3", meeting("people=3")],
  ["meeting-5", meeting("people=5&moderator=1")],
  ["meeting-12", meeting("people=12")],
  ["meeting-50", meeting("people=50")],
  ["meeting-speaker", meeting("people=5"), (page) => page.keyboard.press("w")],
  ["meeting-screen", meeting("people=5&sharing=1")],
  ["meeting-chat", meeting("people=5&chat=1"), async (page) => {
    await page.keyboard.press("c");
    await page.getByTestId("chat-panel").waitFor();
  }],
  ["meeting-people", meeting("people=5&moderator=1&visitors=2"), async (page) => {
    await page.keyboard.press("p");
    await page.getByTestId("participants-panel").waitFor();
  }],
  ["meeting-door", meeting("people=3&moderator=1&visitors=2")],
  ["meeting-actions", meeting("people=5&moderator=1"), async (page) => {
    await page.keyboard.press("p");
    await page.getByTestId("actions-a1b2c300").click();
    await page.getByRole("menu").waitFor();
  }],
  ["meeting-more", meeting("people=5&moderator=1"), async (page) => {
    await page.getByTestId("more-toggle").click();
    await page.getByRole("menu").waitFor();
  }],
  ["meeting-encryption", meeting("people=3"), async (page) => {
    await page.getByTestId("encryption-badge").click();
    await page.getByTestId("encryption-panel").waitFor();
  }],
  ["meeting-encryption-direct", meeting("people=2&path=direct"), async (page) => {
    await page.getByTestId("encryption-badge").click();
    await page.getByTestId("encryption-panel").waitFor();
  }],
  ["meeting-shortcuts", meeting("people=3"), async (page) => {
    await page.keyboard.press("?");
    await page.getByTestId("shortcut-dialog").waitFor();
  }],
  ["meeting-toasts", meeting("people=3"), async (page) => {
    await page.keyboard.press("t");
    await page.getByTestId("toast").first().waitFor();
  }],
  ["reconnecting", `?at=${room}&phase=reconnecting&people=4`],
  ["room-password", `?at=${room}&phase=room-password-required&wrong=1`],
  ["lobby", `?at=${room}&phase=lobby`],
  ["waiting", `?at=${room}&phase=waiting-for-host`],
  ["ended", `?at=${room}&phase=ended`],
  ["sign-in", "?at=/account", async (page) => {
    await page.getByTestId("sign-in-username").fill("ann");
    await page.getByTestId("sign-in-password").fill("nonsense");
    await page.getByTestId("sign-in-submit").click();
    await page.getByTestId("sign-in-error").waitFor();
  }],
  ["account", "?at=/account&signedin=1", async (page) => {
    await page.getByTestId("account-new").fill("river lantern 12");
  }],
  ["account-mismatch", "?at=/account&signedin=1", (page) => changePassword(page, "correct horse", "river lantern 12", "river lantern 13", "account-error")],
  ["account-wrong", "?at=/account&signedin=1", (page) => changePassword(page, "wrong", "river lantern 12", "river lantern 12", "account-error")],
  ["account-success", "?at=/account&signedin=1", (page) => changePassword(page, "correct horse", "river lantern 12", "river lantern 12", "account-success")],
  ["invite", "?at=/account/invite#token"],
  ["invite-used", "?at=/account/invite#used", async (page) => {
    await page.getByTestId("invite-new").fill("river lantern 12");
    await page.getByTestId("invite-repeat").fill("river lantern 12");
    await page.getByTestId("invite-submit").click();
    await page.getByTestId("invite-error").waitFor();
  }],
  ["not-found", "?at=/a/b/c"],
  ["invalid-room", "?at=/%25%25"],
  ["german-welcome", "?at=/&lang=de"],
  ["german-meeting", meeting("people=3&lang=de")],
];

async function openDevices(page) {
  const ask = page.getByTestId("allow-devices");
  await ask.or(page.getByTestId("mic-toggle")).first().waitFor();
  if (await ask.isVisible()) await ask.click();
  await page.getByTestId("mic-toggle").waitFor();
}

async function changePassword(page, current, next, repeat, then) {
  await page.getByTestId("account-current").fill(current);
  await page.getByTestId("account-new").fill(next);
  await page.getByTestId("account-repeat").fill(repeat);
  await page.getByTestId("account-submit").click();
  await page.getByTestId(then).waitFor();
}

const axe = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
if (out !== null) await mkdir(out, { recursive: true });
const { server, origin } = await serveDemo();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
let problems = 0;
let looked = 0;
const complain = (text) => {
  problems += 1;
  console.log(`not ok ${text}`);
};

for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce", hasTouch: size === "phone", deviceScaleFactor: 1 });
    for (const [name, address, prepare] of SCREENS) {
      const title = `${name}-${size}-${colorScheme}`;
      if (!title.includes(only)) continue;
      looked += 1;
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      page.on("pageerror", (error) => complain(`${title}: ${error.message}`));
      page.on("console", (message) => {
        if (message.type() === "error") complain(`${title}: console: ${message.text()}`);
      });
      page.on("request", (request) => {
        if (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url())) complain(`${title}: asks ${request.url()}`);
      });
      try {
        await page.goto(`${origin}/tests/demo/demo.html${address}`, { waitUntil: "load" });
        await page.locator("h1").first().waitFor();
        await prepare?.(page);
        await page.evaluate(() => Promise.all([...document.querySelectorAll("video")].map((video) => video.readyState >= 2 || new Promise((done) => video.addEventListener("loadeddata", done, { once: true })))));
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (overflow > 0) complain(`${title}: ${overflow} px wider than the window`);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() =>
          globalThis.axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
            // An open menu lies beside the landmarks, in the layer above the page.
            rules: { region: { enabled: false } },
          }),
        );
        for (const { id, help, nodes } of violations) {
          complain(`${title}: ${id}: ${help}: ${nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.any.map((check) => check.message).join("; ")}`).join(" | ")}`);
        }
        if (out !== null) await page.screenshot({ path: path.join(out, `${title}.png`) });
      } catch (error) {
        complain(`${title}: ${error.message.split("\n")[0]}`);
      }
      await page.close();
    }
    await context.close();
  }
}

await browser.close();
server.close();
console.log(`${looked} screens looked at, ${problems} problems`);
process.exit(problems === 0 ? 0 : 1);
