// A started stack and an ACME authority: the first certificate, renewal under an open session, each challenge.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import tls from "node:tls";
import { AcmeAuthority } from "../lib/acme.mjs";
import { Stack, freePort } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";
import { RawXmpp } from "../lib/xmpp.mjs";

const folder = await mkdtemp(path.join(tmpdir(), "conclave-acme-"));
after(() => rm(folder, { recursive: true, force: true }));

/** The serial number that new connections are given once our authority vouches for them. */
async function issued(stack, authority) {
  const ca = await readFile(authority.root);
  const socket = tls.connect({ host: "127.0.0.1", port: stack.ports.https, servername: "localhost", ca, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const serial = socket.authorized && socket.getPeerCertificate().serialNumber;
  socket.destroy();
  return serial;
}

/** A stack that has its certificate from an authority by one challenge. */
async function start(name, flags, settings, ports = {}) {
  const data = path.join(folder, name);
  await mkdir(data);
  const authority = await AcmeAuthority.start({ root: path.join(folder, `${name}.pem`), ...flags });
  const set = { agree_terms: true, directory: authority.directory, ca: authority.root, contact: '["admin@example.org"]', ...settings };
  const stack = await Stack.start({ data, ports, set: Object.entries(set).map(([key, value]) => `certs.acme.${key}=${value}`) });
  return { authority, stack };
}

test("HTTP-01: a certificate comes by itself and is renewed in time while a session stays open", async () => {
  const port = await freePort();
  // Renewal is due when a third of the life is left: after about six seconds.
  const { authority, stack } = await start("http", { "http-port": port, "life-s": 9 }, { challenge: "http-01", http_port: port });
  try {
    const first = await waitFor("the first certificate", () => issued(stack, authority));
    await stack.addUser("ann", "a long enough secret");
    const open = await RawXmpp.connect(stack, { ca: authority.root });
    await open.signIn("ann", "a long enough secret");
    const renewed = await waitFor("the renewal", async () => (await issued(stack, authority)) !== first, 20_000);
    assert.ok(renewed);
    const reply = await open.iq("ping", "<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert.match(reply, /type=['"]result['"]/);
    open.close();
    const elsewhere = await fetch(`http://127.0.0.1:${port}/room?x=1`, { redirect: "manual" });
    assert.equal(elsewhere.status, 308);
    assert.equal(elsewhere.headers.get("location"), `https://localhost:${stack.ports.https}/room?x=1`);
    assert.equal((await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/x`)).status, 404);
    assert.equal((await stack.status()).ready, true);
  } finally {
    await stack.stop();
    authority.stop();
  }
});

test("TLS-ALPN-01: the server's own port proves the name", async () => {
  const https = await freePort();
  const { authority, stack } = await start("tls", { "tls-port": https }, { challenge: "tls-alpn-01" }, { https });
  try {
    await waitFor("the certificate", () => issued(stack, authority));
  } finally {
    await stack.stop();
    authority.stop();
  }
});

test("an authority that cannot be asked is told of in the status, and meetings go on", async () => {
  const data = path.join(folder, "dead");
  await mkdir(data);
  const set = ["certs.acme.agree_terms=true", "certs.acme.directory=https://localhost:1/directory", "certs.acme.challenge=tls-alpn-01"];
  const stack = await Stack.start({ data, set });
  try {
    const warning = await waitFor("the warning", async () => (await stack.status()).certificate?.warning);
    assert.match(warning, /^there is no new certificate: the authority at https:\/\/localhost:1\/directory cannot be asked/);
    assert.equal((await stack.status()).ready, true);
    assert.ok(stack.log.some((line) => /WARN.*no new certificate; the next try is in \d minutes/.test(line)), stack.log.join("\n"));
  } finally {
    await stack.stop();
  }
});

test("DNS-01: a program publishes the record; without agreement nothing starts", async () => {
  const records = path.join(folder, "records");
  await mkdir(records);
  const hook = path.join(folder, "hook.sh");
  await writeFile(hook, `#!/bin/sh\ncase $1 in present) printf %s "$3" > "${records}/$2";; cleanup) rm "${records}/$2";; esac\n`);
  const { authority, stack } = await start("dns", { "dns-folder": records }, { challenge: "dns-01", hook: `["sh", "${hook}"]`, hook_wait_s: 0 });
  try {
    await waitFor("the certificate", () => issued(stack, authority));
  } finally {
    await stack.stop();
    authority.stop();
  }
  const stopped = Object.assign(new Stack(), { data: path.join(folder, "dns"), home: folder });
  const { code, stderr } = await stopped.cli("run", "--set", "certs.acme.challenge=http-01");
  assert.equal(code, 78);
  assert.match(stderr, /certs\.acme\.agree_terms must be true/);
});
