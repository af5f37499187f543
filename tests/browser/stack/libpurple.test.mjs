// Pidgin's library changes its own password over STARTTLS, without a question about the certificate.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { AcmeAuthority } from "../lib/acme.mjs";
import { Stack, freePort } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";
import { RawXmpp } from "../lib/xmpp.mjs";

const run = promisify(execFile);
const source = new URL("../../interop/purple/driver.c", import.meta.url).pathname;
let folder;
let driver;
let stack;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "conclave-purple-"));
  driver = path.join(folder, "driver");
  const { stdout } = await run("pkg-config", ["--cflags", "--libs", "purple"]);
  await run("cc", ["-O1", "-Wall", "-o", driver, source, ...stdout.trim().split(/\s+/)]);
  stack = await Stack.start();
});
after(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the library once, as a person with a new profile; answers its exit code and what happened. */
async function purple(name, lines, { change = false, security = "require_tls", on = stack, server = "127.0.0.1" } = {}) {
  const profile = await mkdtemp(path.join(folder, "profile-"));
  const port = security === "old_ssl" ? on.ports.c2sTls : on.ports.c2s;
  const child = spawn(driver, [profile, `${name}@${on.host}`, server, String(port), security, ...(change ? ["--change"] : [])], { env: { ...process.env, HOME: profile } });
  child.stdin.end(`${lines.join("\n")}\n`);
  let text = "";
  child.stdout.on("data", (chunk) => (text += chunk));
  child.stderr.resume();
  const [code] = await once(child, "close");
  const events = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return { code, events, names: events.map((event) => event.event), text };
}

const OLD = "the first password";
const NEW = "a newer, better one";

test("before the authority is trusted, the library asks about the certificate", async () => {
  await stack.addUser("heidi", OLD);
  const { code, names, text } = await purple("heidi", [OLD]);
  assert.notEqual(code, 0);
  assert.ok(names.includes("question"), text);
});

test("after `conclave cert trust` it signs in without a question, by STARTTLS and by direct TLS", async () => {
  const stores = await stack.trust();
  assert.ok(stores.find((store) => store.store.startsWith("system"))?.trusted, JSON.stringify(stores));
  for (const security of ["require_tls", "old_ssl"]) {
    const { code, names, text } = await purple("heidi", [OLD], { security });
    assert.equal(code, 0, text);
    assert.deepEqual(names, ["signed-on"]);
  }
});

test("it changes its own password; the old one is refused, the new one accepted, other streams are closed", async () => {
  const elsewhere = await RawXmpp.connect(stack);
  await elsewhere.signIn("heidi", OLD);
  const { code, names, text } = await purple("heidi", [OLD, NEW, NEW], { change: true });
  assert.equal(code, 0, text);
  assert.ok(!names.includes("question"), text);
  await elsewhere.untilClosed();
  assert.equal((await purple("heidi", [OLD])).code, 1);
  assert.equal((await purple("heidi", [NEW])).code, 0);
});

test("a password that is too short is refused and nothing changes", async () => {
  const { code, names, text } = await purple("heidi", [NEW, "short", "short"], { change: true });
  assert.equal(code, 1, text);
  assert.ok(names.includes("error"), text);
  assert.equal((await purple("heidi", [NEW])).code, 0);
});

test("two different new passwords are refused and nothing changes", async () => {
  const { code, text } = await purple("heidi", [NEW, "one long password", "another long password"], { change: true });
  assert.equal(code, 1, text);
  assert.equal((await purple("heidi", [NEW])).code, 0);
});

test("with a certificate from an ACME authority that the system trusts there is no question either", async () => {
  const https = await freePort();
  const authority = await AcmeAuthority.start({ root: path.join(folder, "acme.crt"), "tls-port": https });
  await copyFile(authority.root, "/usr/local/share/ca-certificates/test-acme.crt");
  await run("update-ca-certificates");
  const settings = { agree_terms: true, directory: authority.directory, ca: authority.root, challenge: "tls-alpn-01" };
  const set = Object.entries(settings).map(([key, value]) => `certs.acme.${key}=${value}`);
  const authorized = await Stack.start({ set, ports: { https } });
  try {
    await waitFor("the certificate", async () => (await authorized.status()).certificate?.days_left < 100);
    await authorized.addUser("ivan", OLD);
    // The library asks for the name it connects to, and an authority vouches for no loopback address.
    const { code, names, text } = await purple("ivan", [OLD], { on: authorized, server: "localhost" });
    assert.equal(code, 0, text);
    assert.deepEqual(names, ["signed-on"]);
  } finally {
    await authorized.stop();
    authority.stop();
  }
});
