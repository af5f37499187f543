// Figures of the whole stack, beside those of the real Jitsi parts on a machine like this one
// (420 MB idle over four daemons, 2 s to a usable bridge, 42–82 ms for a conference request,
// 136–156 ms from room joined to session-initiate, about 1 s from there to the first remote frame).
// Usage: scripts/bench stack

import { readFile } from "node:fs/promises";
import { launchChromium } from "../lib/browsers.mjs";
import { join } from "../lib/people.mjs";
import { Stack } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";

const ROUNDS = 5;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function residentMb(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) / 1024;
}

function row(what, ours, theirs) {
  console.log(`${what.padEnd(58)} ${ours.padStart(12)} ${theirs.padStart(14)}`);
}

/** Times at which things happened in a page's signalling, by wrapping its socket and fetch. */
function watchSignalling() {
  const seen = (window.seen_ = {});
  const note = (what) => (seen[what] ??= performance.now());
  const fetchBefore = window.fetch;
  window.fetch = async (...args) => {
    const asks = String(args[0]?.url ?? args[0]).includes("conference-request");
    if (asks) note("asked");
    const answer = await fetchBefore(...args);
    if (asks) note("answered");
    return answer;
  };
  const sendBefore = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (!this.heard_) {
      this.heard_ = true;
      this.addEventListener("message", ({ data: text }) => {
        if (typeof text !== "string") return;
        if (text.includes("protocol/focus") && text.includes("ready=")) note("answered");
        if (/status code=['"]110/.test(text)) note("joined");
        if (text.includes("session-initiate")) note("offered");
      });
    }
    if (typeof data === "string" && data.includes("<conference ")) note("asked");
    return sendBefore.call(this, data);
  };
}

async function oneCall(stack, chromium, number) {
  const room = `bench${number}`;
  const first = await join(chromium, stack, room, "First");
  const second = await chromium.newPage();
  second.name = "Second";
  await second.page.addInitScript(watchSignalling);
  await second.goto(stack.room(room, { fragment: "config.p2p.enabled=false" }));
  await waitFor("the join button", () => second.has("join-button"));
  await second.fill("name-input", "Second");
  const times = await second.evaluate(async () => {
    const clicked = performance.now();
    document.querySelector('[data-testid="join-button"]').click();
    for (;;) {
      for (const connection of window.peerConnections) {
        for (const report of (await connection.getStats()).values()) {
          if (report.type === "inbound-rtp" && report.kind === "video" && report.framesDecoded > 0) {
            return { ...window.seen_, clicked, frame: performance.now() };
          }
        }
      }
      if (performance.now() - clicked > 20_000) throw new Error("no frame within 20 s");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  await first.close();
  await second.close();
  return times;
}

const ready = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const stack = await Stack.start();
  ready.push(stack.readyAfterMs);
  await stack.stop();
}
const stack = await Stack.start();
await stack.trust();
// Idle is what it settles to, not what starting takes.
await new Promise((resolve) => setTimeout(resolve, 5_000));
const { pid, processes } = await stack.status();
const memory = { conclave: await residentMb(pid) };
for (const process of processes) memory[process.name] = await residentMb(process.pid);

const chromium = await launchChromium(stack);
const calls = [];
for (let round = 0; round < ROUNDS; round += 1) calls.push(await oneCall(stack, chromium, round));
await chromium.close();
await stack.stop();

const span = (from, to) => {
  const values = calls.map((times) => times[to] - times[from]).filter(Number.isFinite);
  return values.length > 0 ? `${median(values).toFixed(1)} ms` : "–";
};
console.log(`Medians of ${ROUNDS} rounds; Jitsi's figures are of a like machine, not of this run.\n`);
row("", "Conclave", "Jitsi");
row("start to ready (first start: keys, accounts, certificates)", `${median(ready).toFixed(0)} ms`, "2000 ms");
for (const [name, mb] of Object.entries(memory)) row(`resident when idle: ${name}`, `${mb.toFixed(1)} MB`, "");
row("resident when idle: all", `${Object.values(memory).reduce((a, b) => a + b).toFixed(1)} MB`, "420 MB");
row("conference request, seen by the page", span("asked", "answered"), "42–82 ms");
row("room joined → session-initiate, seen by the page", span("joined", "offered"), "136–156 ms");
row("session-initiate → first remote frame decoded", span("offered", "frame"), "988–1308 ms");
row("click on Join → first remote frame decoded", span("clicked", "frame"), "");
