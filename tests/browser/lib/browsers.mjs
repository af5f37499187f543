// Real Chromium and Firefox with fake devices, behind one small face.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";

const run = promisify(execFile);
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

/** Runs in every page before its own scripts: keeps hold of peer connections, for their statistics. */
function keepPeerConnections() {
  window.peerConnections = [];
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...args) {
      super(...args);
      window.peerConnections.push(this);
    }
  };
}

/**
 * One Chromium for many pages, each page a person of their own (own context).
 * The stack's local authority is trusted through the store that `conclave cert trust` wrote, so a
 * certificate that is not right fails the test.
 */
export async function launchChromium(stack, { extraArguments = [], headless = true } = {}) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    headless,
    env: { ...process.env, HOME: stack.home },
    args: [
      "--use-fake-device-for-media-stream=fps=10",
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
      "--no-sandbox",
      "--disable-gpu",
      "--auto-select-desktop-capture-source=Entire screen",
      "--auto-accept-this-tab-capture",
      ...extraArguments,
    ],
  });
  const contexts = [];
  return {
    kind: "chromium",
    async newPage({ width = 1280, height = 800 } = {}) {
      const context = await browser.newContext({ viewport: { width, height }, permissions: ["camera", "microphone"] });
      contexts.push(context);
      await context.addInitScript(keepPeerConnections);
      const page = await context.newPage();
      return person(page, () => context.close());
    },
    close: () => browser.close(),
  };
}

/** One Firefox (Debian's stock one, over WebDriver BiDi) with a profile that trusts the local authority. */
export async function launchFirefox(stack) {
  const profile = await mkdtemp(path.join(tmpdir(), "conclave-firefox-"));
  await run("certutil", ["-N", "--empty-password", "-d", `sql:${profile}`]);
  const authority = path.join(stack.data, "certs/ca.pem");
  await run("certutil", ["-A", "-n", "Conclave local CA", "-t", "C,,", "-i", authority, "-d", `sql:${profile}`]);
  const preferences = {
    "media.navigator.streams.fake": true,
    "media.navigator.permission.disabled": true,
    "media.peerconnection.ice.loopback": true,
    "media.autoplay.default": 0,
    "media.getusermedia.screensharing.enabled": true,
    "app.update.enabled": false,
    "datareporting.policy.dataSubmissionEnabled": false,
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
    "browser.safebrowsing.update.enabled": false,
  };
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    headless: true,
    userDataDir: profile,
    extraPrefsFirefox: preferences,
    env: { ...process.env, HOME: stack.home },
  });
  return {
    kind: "firefox",
    async newPage({ width = 1280, height = 800 } = {}) {
      const page = await browser.newPage();
      await page.setViewport({ width, height });
      await page.evaluateOnNewDocument(keepPeerConnections);
      return person(page, () => page.close());
    },
    async close() {
      await browser.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** What both drivers offer, under one set of names. */
function person(page, close) {
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  const log = [];
  page.on("console", (message) => log.push(`${message.type()}: ${message.text()}`));
  const selector = (id) => `[data-testid="${id}"]`;
  const isPlaywright = typeof page.locator === "function" && typeof page.addInitScript === "function";
  return {
    page,
    errors,
    log,
    close,
    goto: (url) => page.goto(url, { waitUntil: "load" }),
    reload: () => page.reload({ waitUntil: "load" }),
    evaluate: (f, argument) => page.evaluate(f, argument),
    click: (id) => (isPlaywright ? page.click(selector(id)) : page.locator(selector(id)).click()),
    async fill(id, text) {
      if (isPlaywright) await page.fill(selector(id), text);
      else await page.locator(selector(id)).fill(text);
    },
    has: (id) => page.evaluate((s) => document.querySelector(s) !== null, selector(id)),
    text: (id) => page.evaluate((s) => document.querySelector(s)?.textContent?.trim() ?? null, selector(id)),
    press: (key) => page.keyboard.press(key),
    screenshot: (file) => page.screenshot({ path: file }),
  };
}
