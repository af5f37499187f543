// A client that lies about its media harms only itself.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium } from "../lib/browsers.mjs";
import { received, waitForMedia } from "../lib/media.mjs";
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
  for (const name of ["Ann", "Ben"]) people.push(await join(chromium, stack, "honest", name));
  await Promise.all(people.map((person) => waitForMedia(person, 1, person.name)));
});
after(async () => {
  await chromium?.close();
  await stack?.stop();
});

/** A page whose frames to the server go through `tamper` (source text of a function from text to text). */
async function liar(tamper) {
  const person = await chromium.newPage();
  person.name = "Liar";
  await person.page.addInitScript(`{
    const tamper = ${tamper};
    const send = WebSocket.prototype.send;
    window.frames_ = [];
    WebSocket.prototype.send = function (data) {
      window.socket_ ??= this;
      if (!this.heard_) {
        this.heard_ = true;
        this.addEventListener("message", (event) => window.frames_.push(String(event.data)));
      }
      return send.call(this, typeof data === "string" ? tamper(data) : data);
    };
  }`);
  const fragment = "config.prejoinConfig.enabled=false&config.p2p.enabled=false&userInfo.displayName=%22Liar%22";
  await person.goto(stack.room("honest", { fragment }));
  return person;
}

test("an answer with a wrong fingerprint gets no media, and the others go on", async () => {
  const person = await liar(`(text) => text.includes("session-accept")
    ? text.replace(/(<fingerprint[^>]*>)[^<]*/g, (_, tag) => tag + Array(32).fill("AB").join(":"))
    : text`);
  await waitFor("the liar's answer", () => person.evaluate(() => window.frames_.length > 5));
  await Promise.all(people.map((honest) => waitForMedia(honest, 1, honest.name)));
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const streams = Object.values(await received(person));
  assert.ok(streams.every((stream) => stream.frames === 0 && stream.packets === 0), JSON.stringify(streams));
  await person.close();
  await Promise.all(people.map((honest) => waitForMedia(honest, 1, honest.name)));
});

test("a source-add that takes somebody else's SSRC is refused, and the others go on", async () => {
  const person = await liar("(text) => text");
  person.name = "Liar";
  await Promise.all(people.map((honest) => waitForMedia(honest, 2, honest.name)));
  const stolen = await people[0].evaluate(async () => {
    for (const connection of window.peerConnections) {
      for (const report of (await connection.getStats()).values()) {
        if (report.type === "outbound-rtp" && report.kind === "video") return report.ssrc;
      }
    }
    return null;
  });
  assert.ok(stolen);
  const answer = await person.evaluate(async (ssrc) => {
    const initiate = window.frames_.find((frame) => frame.includes("session-initiate"));
    const sid = /sid=['"]([^'"]+)['"]/.exec(initiate)[1];
    const focus = /from=['"]([^'"]*\/focus)['"]/.exec(initiate)[1];
    const id = "stolen-1";
    window.socket_.send(`<iq xmlns='jabber:client' type='set' id='${id}' to='${focus}'><jingle xmlns='urn:xmpp:jingle:1' action='source-add' sid='${sid}'><content name='video' creator='initiator' senders='both'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'><source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='${ssrc}' name='00000000-v9'><parameter name='msid' value='a b'/></source></description></content></jingle></iq>`);
    for (let i = 0; i < 100; i += 1) {
      const reply = window.frames_.find((frame) => frame.includes(id));
      if (reply) return reply;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return null;
  }, stolen);
  assert.match(answer ?? "no answer", /type=['"]error['"]/);
  await Promise.all(people.map((honest) => waitForMedia(honest, 2, honest.name)));
  await person.close();
});
