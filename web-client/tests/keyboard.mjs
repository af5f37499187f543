#!/usr/bin/env node
/**
 * Walks through the meeting with the keyboard alone: tab stops, arrow keys, shortcuts, where the focus goes and returns.
 *
 * Usage: node tests/keyboard.mjs
 * CHROMIUM names the browser (default /usr/bin/chromium). Exit code 1 when a step fails.
 */
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { serveDemo } from "./serve-demo.mjs";

const { server, origin } = await serveDemo();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", permissions: ["clipboard-write"] });
let passed = 0;
let failed = 0;

/** One page in a meeting of five; `focused` names the control with the focus. */
async function step(name, wishes, walk) {
  const page = await context.newPage();
  page.setDefaultTimeout(5_000);
  const focused = () => page.evaluate(() => document.activeElement?.closest("[data-testid]")?.getAttribute("data-testid") ?? document.activeElement?.tagName ?? null);
  try {
    await page.goto(`${origin}/tests/demo/demo.html?at=/tea&phase=joined&people=5&moderator=1&${wishes}`);
    await page.getByTestId("leave-button").waitFor();
    await walk(page, focused);
    passed += 1;
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${name}: ${error.message}`);
  }
  await page.close();
}

/** Presses until the control has the focus; more presses than `limit` mean that it cannot be reached. */
async function tabTo(page, focused, wanted, limit) {
  for (let presses = 1; presses <= limit; presses += 1) {
    await page.keyboard.press("Tab");
    if ((await focused()) === wanted) return presses;
  }
  throw new Error(`${wanted} is not reached with ${limit} tab stops`);
}

await step("the badge, the stage and the toolbar are one tab stop each", "", async (page, focused) => {
  assert.equal(await tabTo(page, focused, "encryption-badge", 1), 1);
  assert.equal(await tabTo(page, focused, "tile-local", 1), 1);
  assert.equal(await tabTo(page, focused, "mic-toggle", 1), 1);
});

await step("arrow keys walk the toolbar, Home and End go to its ends", "", async (page, focused) => {
  await page.getByTestId("mic-toggle").focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await focused(), "camera-toggle");
  await page.keyboard.press("End");
  assert.equal(await focused(), "leave-button");
  await page.keyboard.press("ArrowRight");
  assert.equal(await focused(), "mic-toggle");
});

await step("arrow keys walk the tiles, Enter shows one large", "", async (page, focused) => {
  await tabTo(page, focused, "tile-local", 3);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  assert.equal(await focused(), "tile-a1b2c301");
  await page.keyboard.press("Enter");
  await page.locator("[data-testid=tile-a1b2c301][data-role=stage]").waitFor();
});

await step("C opens the chat and takes the focus there, Escape closes it and gives the focus back", "", async (page, focused) => {
  await page.keyboard.press("c");
  await page.getByTestId("chat-panel").waitFor();
  assert.equal(await focused(), "chat-input");
  await page.keyboard.type("mvr?");
  assert.equal(await page.getByTestId("chat-input").inputValue(), "mvr?");
  assert.equal(await page.getByTestId("mic-toggle").getAttribute("aria-pressed"), "true");
  await page.keyboard.press("Enter");
  await page.getByTestId("chat-message").waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("chat-panel").waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement?.getAttribute("data-testid") === "chat-toggle");
});

await step("M, V, R, D, W and P do what they say", "", async (page) => {
  for (const [key, id] of [["m", "mic-toggle"], ["v", "camera-toggle"], ["r", "raise-hand"], ["d", "screen-toggle"], ["p", "participants-toggle"]]) {
    const before = await page.getByTestId(id).getAttribute("aria-pressed");
    await page.keyboard.press(key);
    await page.locator(`[data-testid=${id}][aria-pressed=${before === "true" ? "false" : "true"}]`).waitFor();
  }
  const layout = await page.getByTestId("stage").getAttribute("data-layout");
  await page.keyboard.press("w");
  await page.locator(`[data-testid=stage][data-layout=${layout === "grid" ? "speaker" : "grid"}]`).waitFor();
});

await step("the space bar opens a closed microphone while it is held", "", async (page) => {
  await page.keyboard.press("m");
  await page.locator("[data-testid=mic-toggle][aria-pressed=false]").waitFor();
  await page.keyboard.down(" ");
  await page.locator("[data-testid=mic-toggle][aria-pressed=true]").waitFor();
  await page.keyboard.up(" ");
  await page.locator("[data-testid=mic-toggle][aria-pressed=false]").waitFor();
});

await step("the space bar on a button presses the button", "", async (page) => {
  await page.getByTestId("raise-hand").focus();
  await page.keyboard.press(" ");
  await page.locator("[data-testid=raise-hand][aria-pressed=true]").waitFor();
  assert.equal(await page.getByTestId("mic-toggle").getAttribute("aria-pressed"), "true");
});

await step("a dialog keeps the focus and gives it back", "", async (page, focused) => {
  await page.getByTestId("encryption-badge").focus();
  await page.keyboard.press("Enter");
  await page.getByTestId("encryption-panel").waitFor();
  for (let presses = 0; presses < 5; presses += 1) {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.closest("[role=dialog]") !== null), true);
  }
  await page.keyboard.press("m");
  assert.equal(await page.locator("[data-testid=mic-toggle]").getAttribute("aria-pressed"), "true");
  await page.keyboard.press("Escape");
  await page.getByTestId("encryption-panel").waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement?.getAttribute("data-testid") === "encryption-badge");
  assert.equal(await focused(), "encryption-badge");
});

await step("a dialog opened from a menu gives the focus back to the menu's button", "", async (page) => {
  await page.getByTestId("more-toggle").focus();
  await page.keyboard.press("Enter");
  await page.getByRole("menu").waitFor();
  await page.keyboard.press("Enter");
  await page.getByTestId("device-dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("device-dialog").waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement?.getAttribute("data-testid") === "more-toggle");
});

await step("a moderator takes somebody out with the keyboard alone", "", async (page, focused) => {
  await page.keyboard.press("p");
  await page.getByTestId("participants-panel").waitFor();
  await page.getByTestId("actions-a1b2c300").focus();
  await page.keyboard.press("Enter");
  await page.getByRole("menu").waitFor();
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await page.getByTestId("confirm-dialog").waitFor();
  await tabTo(page, focused, "confirm-yes", 4);
  await page.keyboard.press("Enter");
  await page.getByTestId("tile-a1b2c300").waitFor({ state: "detached" });
});

await step("single-key shortcuts can be switched off", "", async (page) => {
  await page.keyboard.press("?");
  await page.getByTestId("shortcut-dialog").waitFor();
  await page.getByRole("checkbox").uncheck();
  await page.keyboard.press("Escape");
  await page.getByTestId("shortcut-dialog").waitFor({ state: "detached" });
  await page.keyboard.press("m");
  assert.equal(await page.getByTestId("mic-toggle").getAttribute("aria-pressed"), "true");
});

await browser.close();
server.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
