// People in meetings: joining by link, and what a person can see and do.

import { waitFor } from "./wait.mjs";

const BRIDGE_ONLY = "config.p2p.enabled=false";
const NO_PREJOIN = "config.prejoinConfig.enabled=false";

/** Opens a meeting's link as `name` and waits until the person is in. */
export async function join(browser, stack, room, name, { p2p = false, ...size } = {}) {
  const person = await browser.newPage(size);
  person.name = name;
  const fragment = [NO_PREJOIN, `userInfo.displayName=${encodeURIComponent(JSON.stringify(name))}`];
  if (!p2p) fragment.push(BRIDGE_ONLY);
  person.url = stack.room(room, { fragment: fragment.join("&") });
  await person.goto(person.url);
  await inMeeting(person);
  return person;
}

/** Waits until the person is in the meeting, devices on. */
export async function inMeeting(person) {
  await waitFor(`${person.name} to be in the meeting`, () => person.has("leave-button"), 60_000).catch(async (error) => {
    const text = await person.evaluate(() => document.body.innerText.slice(0, 400));
    throw new Error(`${error.message}; the page says: ${text}\n${person.errors.join("\n")}\n${person.log.slice(-20).join("\n")}`);
  });
}

/** The ids of the tiles of others, in no order. */
export function tiles(person) {
  return person.evaluate(() =>
    [...document.querySelectorAll('[data-testid^="tile-"]')].map((tile) => tile.dataset.testid.slice("tile-".length)));
}

/** What the badge says of who could hear. */
export async function encryption(person) {
  return person.evaluate(() => {
    const badge = document.querySelector('[data-testid="encryption-badge"]');
    return badge ? `${badge.getAttribute("aria-label") ?? ""} ${badge.textContent}` : "";
  });
}

/** The id of the participant with this name, as this person sees it. */
export async function idOf(person, name) {
  if (!(await person.has("participants-panel"))) await person.click("participants-toggle");
  return waitFor(`${name} on the list of ${person.name}`, () =>
    person.evaluate((wanted) => {
      for (const row of document.querySelectorAll('[data-testid^="participant-"]')) {
        if (row.textContent.includes(wanted)) return row.dataset.testid.slice("participant-".length);
      }
      return null;
    }, name));
}

/** A moderator's action on somebody, through the list of participants. */
export async function act(moderator, name, action) {
  const id = await idOf(moderator, name);
  await moderator.click(`actions-${id}`);
  await waitFor(`the action ${action}`, () => moderator.has(action));
  await moderator.click(action);
  if (await moderator.has("confirm-yes")) await moderator.click("confirm-yes");
}

/** Whether the person's microphone is on, as their own button says. */
export function microphoneOn(person) {
  return person.evaluate(() => {
    const button = document.querySelector('[data-testid="mic-toggle"]');
    return button?.getAttribute("aria-pressed") === "true";
  });
}
