// Figures of the whole stack, beside those of the real Jitsi parts on a machine like this one
// (420 MB idle over four daemons, 2 s to a usable bridge, 42–82 ms for a conference request,
// 136–156 ms from room joined to session-initiate, about 1 s from there to the first remote frame).
// Usage: scripts/bench stack

import { readFile } from "node:fs/promises";
import { launchChromium } from "../lib/browsers.mjs";
import { join } from "../lib/people.mjs";
import { Stack } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";
import { RawXmpp } from "../lib/xmpp.mjs";

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

const MUC = "http://jabber.org/protocol/muc";

const FEATURES = ["audio", "video"].map((media) => `urn:xmpp:jingle:apps:rtp:${media}`)
  .concat("urn:xmpp:jingle:transports:ice-udp:1", "urn:xmpp:jingle:apps:dtls:0", "urn:ietf:rfc:5888", "urn:ietf:rfc:5761", "urn:ietf:rfc:4588");

/** Says what the client can, whenever it is asked. */
function answerQuestions(client) {
  client.socket.on("data", () => {
    const question = /<iq[^>]*type='get'[^>]*><query xmlns='http:\/\/jabber\.org\/protocol\/disco#info'[^>]*>/.exec(client.text)?.[0];
    if (question === undefined) return;
    client.text = client.text.replace(question, "");
    const [, id] = /id='([^']+)'/.exec(question);
    const [, from] = /from='([^']+)'/.exec(question);
    const features = FEATURES.map((feature) => `<feature var='${feature}'/>`).join("");
    client.send(`<iq type='result' id='${id}' to='${from}'><query xmlns='http://jabber.org/protocol/disco#info'>${features}</query></iq>`);
  });
}

/** Enters a room as a client that does nothing else, and answers what the focus asks of it. */
async function enter(stack, room) {
  const client = await RawXmpp.connect(stack);
  await client.signIn();
  answerQuestions(client);
  const address = `${room}@conference.${stack.host}`;
  const seen = { asked: performance.now() };
  client.send(`<iq type='set' id='ask' to='focus.${stack.host}'><conference xmlns='http://jitsi.org/protocol/focus' room='${address}'/></iq>`);
  await client.arrival(/<conference[^>]*ready=['"]true['"]/);
  seen.answered = performance.now();
  const sources = `{"own-a0":{"muted":true},"own-v0":{"muted":true}}`;
  client.send(`<presence to='${address}/${client.jid.slice(0, 8)}'><x xmlns='${MUC}'/><SourceInfo>${sources}</SourceInfo></presence>`);
  await client.arrival(/<status code=['"]110['"]/);
  seen.joined = performance.now();
  return { client, seen };
}

/** How long the parts take, as a client sees it that has nothing to do but signal. */
async function oneSignalling(stack, number) {
  const first = await enter(stack, `signal${number}`);
  const { client, seen } = await enter(stack, `signal${number}`);
  await client.arrival(/action=['"]session-initiate['"]/);
  seen.offered = performance.now();
  first.client.close();
  client.close();
  return seen;
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

const signalled = [];
for (let round = 0; round < ROUNDS; round += 1) signalled.push(await oneSignalling(stack, round));
const chromium = await launchChromium(stack);
const calls = [];
for (let round = 0; round < ROUNDS; round += 1) calls.push(await oneCall(stack, chromium, round));
await chromium.close();
await stack.stop();

const span = (from, to, among = calls) => {
  const values = among.map((times) => times[to] - times[from]).filter(Number.isFinite);
  return values.length > 0 ? `${median(values).toFixed(1)} ms` : "–";
};
console.log(`Medians of ${ROUNDS} rounds; Jitsi's figures are of a like machine, not of this run.\n`);
row("", "Conclave", "Jitsi");
row("start to ready (first start: keys, accounts, certificates)", `${median(ready).toFixed(0)} ms`, "2000 ms");
for (const [name, mb] of Object.entries(memory)) row(`resident when idle: ${name}`, `${mb.toFixed(1)} MB`, "");
row("resident when idle: all", `${Object.values(memory).reduce((a, b) => a + b).toFixed(1)} MB`, "420 MB");
row("conference request", span("asked", "answered", signalled), "42–82 ms");
row("room joined → session-initiate", span("joined", "offered", signalled), "136–156 ms");
row("conference request, seen by the page", span("asked", "answered"), "42–82 ms");
row("room joined → session-initiate, seen by the page", span("joined", "offered"), "136–156 ms");
row("session-initiate → first remote frame decoded", span("offered", "frame"), "988–1308 ms");
row("click on Join → first remote frame decoded", span("clicked", "frame"), "");
