// Input that no well-behaved client sends: the protocol's own error, and nobody else notices.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Stack } from "../lib/stack.mjs";
import { RawXmpp } from "../lib/xmpp.mjs";

const MUC = "http://jabber.org/protocol/muc";
let stack;
let bystander;
before(async () => {
  stack = await Stack.start();
  bystander = await RawXmpp.connect(stack);
  await bystander.signIn();
});
after(async () => {
  bystander?.close();
  await stack?.stop();
});

/** The bystander's connection still works. */
async function bystanderIsWell() {
  const reply = await bystander.iq("well", `<iq type='get' id='well' to='${stack.host}'><ping xmlns='urn:xmpp:ping'/></iq>`);
  assert.match(reply, /type=['"]result['"]/);
}

async function guest() {
  const client = await RawXmpp.connect(stack);
  await client.signIn();
  return client;
}

test("text that is not XML ends the stream as not-well-formed", async () => {
  const client = await guest();
  client.send("<message><body>&nosuch;</body></wrong>");
  await client.expect(/<stream:error[^>]*>[\s\S]*<(not-well-formed|restricted-xml|undefined-entity)[\s\S]*<\/stream:error>/);
  await client.untilClosed();
  await bystanderIsWell();
});

test("a document type declaration is refused as restricted XML", async () => {
  const client = await guest();
  client.send("<!DOCTYPE x [<!ENTITY a 'aaaa'>]><message/>");
  await client.expect(/<stream:error[^>]*>[\s\S]*<(restricted-xml|not-well-formed)[\s\S]*<\/stream:error>/);
  await client.untilClosed();
  await bystanderIsWell();
});

test("a stanza over the size limit ends the stream as a policy violation", async () => {
  const client = await guest();
  client.send(`<message to='${bystander.jid}'><body>${"x".repeat(400 * 1024)}</body></message>`);
  await client.expect(/<stream:error[^>]*>[\s\S]*<policy-violation[\s\S]*<\/stream:error>/);
  await client.untilClosed();
  await bystanderIsWell();
});

test("elements nested without end are refused", async () => {
  const client = await guest();
  client.send(`<message>${"<a>".repeat(10_000)}`);
  await client.expect(/<stream:error[^>]*>[\s\S]*<\/stream:error>/);
  await client.untilClosed();
  await bystanderIsWell();
});

test("characters that no room name may have are refused as a malformed address", async () => {
  const client = await guest();
  for (const name of ["a&quot;b", "a b", "a&lt;b&gt;", "x".repeat(1100)]) {
    client.send(`<presence to="${name}@conference.${stack.host}/12345678"><x xmlns='${MUC}'/></presence>`);
    const [reply] = await client.expect(/<presence[^>]*type=['"]error['"][\s\S]*?<\/presence>|<stream:error[^>]*>[\s\S]*?<\/stream:error>/);
    assert.match(reply, /jid-malformed|improper-addressing|not-acceptable/, `${name}: ${reply}`);
    if (reply.startsWith("<stream:error")) break;
  }
  client.close();
  await bystanderIsWell();
});

test("an IQ nobody serves is answered with service-unavailable, a malformed one with bad-request", async () => {
  const client = await guest();
  const unknown = await client.iq("u1", `<iq type='get' id='u1' to='${stack.host}'><x xmlns='urn:example:none'/></iq>`);
  assert.match(unknown, /<service-unavailable/);
  const malformed = await client.iq("u2", `<iq type='get' id='u2' to='${stack.host}'/>`);
  assert.match(malformed, /<(bad-request|service-unavailable)/);
  client.close();
});

test("a conference request without a room is a bad request", async () => {
  const client = await guest();
  const reply = await client.iq("c1", `<iq type='set' id='c1' to='focus.${stack.host}'><conference xmlns='http://jitsi.org/protocol/focus'/></iq>`);
  assert.match(reply, /<bad-request/);
  client.close();
});

test("a guest may not enter the brewery", async () => {
  const client = await guest();
  client.send(`<presence to='jvbbrewery@internal.auth.${stack.host}/intruder'><x xmlns='${MUC}'/></presence>`);
  const [reply] = await client.expect(/<presence[^>]*type=['"]error['"][\s\S]*?<\/presence>/);
  assert.match(reply, /<(forbidden|not-allowed|registration-required)/);
  client.close();
});

test("a wrong password is refused the same for a known and an unknown name", async () => {
  await stack.addUser("judy", "a long enough secret");
  const answers = [];
  for (const name of ["judy", "nobody"]) {
    const client = await RawXmpp.connect(stack);
    const message = Buffer.from(`\0${name}\0wrong wrong wrong`).toString("base64");
    client.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${message}</auth>`);
    const [answer] = await client.expect(/<failure[\s\S]*?<\/failure>/);
    answers.push(answer);
    client.close();
  }
  assert.match(answers[0], /<not-authorized/);
  assert.equal(answers[0], answers[1]);
});
