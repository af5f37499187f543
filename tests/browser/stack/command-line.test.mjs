// What an administrator does at the command line, on a running stack and on a stopped one.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { Stack } from "../lib/stack.mjs";
import { RawXmpp } from "../lib/xmpp.mjs";

let stack;
before(async () => {
  stack = await Stack.start();
});
after(() => stack?.stop());

test("the status names each process with pid, health, version and addresses", async () => {
  const status = await stack.status();
  assert.equal(status.ready, true);
  assert.deepEqual(status.processes.map((process) => process.name).sort(), ["focus", "videobridge", "xmpp-server"]);
  for (const process of status.processes) {
    assert.ok(process.pid > 0 && process.healthy && process.version, JSON.stringify(process));
    assert.ok(Object.keys(process.addresses).length > 0, JSON.stringify(process));
  }
  const { code, stdout } = await stack.cli("status");
  assert.equal(code, 0);
  assert.match(stdout, /^Ready: https:\/\/localhost:\d+\//);
});

test("a first start prints a link for one's own account and how to trust the certificate", () => {
  assert.ok(stack.output.some((line) => /\/account\/invite#/.test(line)), stack.output.join("\n"));
  assert.ok(stack.output.some((line) => line.includes("conclave cert trust")), stack.output.join("\n"));
});

test("accounts are added, listed, changed and deleted; a wrong wish is refused with a sentence", async () => {
  const add = await stack.cliWithInput("a long enough secret\n", "user", "add", "carol", "--password-stdin", "--json");
  assert.deepEqual(JSON.parse(add.stdout), { ok: true, address: "carol@localhost" });
  const again = await stack.cliWithInput("a long enough secret\n", "user", "add", "carol", "--password-stdin", "--json");
  assert.equal(again.code, 1);
  assert.equal(JSON.parse(again.stdout).error, "conflict");
  const short = await stack.cliWithInput("short\n", "user", "add", "dave", "--password-stdin");
  assert.equal(short.code, 1);
  assert.match(short.stderr, /^conclave: .+/);
  const list = JSON.parse((await stack.cli("user", "list", "--json")).stdout);
  assert.ok(list.users.some((user) => user.address === "carol@localhost"));
  assert.ok(!JSON.stringify(list).includes("secret"));

  const client = await RawXmpp.connect(stack);
  await client.signIn("carol", "a long enough secret");
  const change = await stack.cliWithInput("another long secret\n", "passwd", "carol@localhost");
  assert.equal(change.code, 0, change.stderr);
  await client.untilClosed();
  const deleted = await stack.cli("deluser", "carol@localhost");
  assert.equal(deleted.code, 0, deleted.stderr);
  assert.equal((await stack.cli("user", "del", "carol")).code, 1);
});

test("the words of prosodyctl are understood", async () => {
  const register = await stack.cli("register", "erin", "localhost", "a long enough secret");
  assert.equal(register.code, 0, register.stderr);
  const adduser = await stack.cliWithInput("a long enough secret\n", "adduser", "frank@localhost");
  assert.equal(adduser.code, 0, adduser.stderr);
});

test("the local authority is shown in PEM form and the certificate in words", async () => {
  const authority = await stack.cli("cert", "show", "--ca");
  assert.match(authority.stdout, /^-----BEGIN CERTIFICATE-----/);
  const shown = JSON.parse((await stack.cli("cert", "show", "--json")).stdout).certificate;
  assert.ok(shown.names.includes("localhost") && shown.days_left > 300, JSON.stringify(shown));
});

test("a second server on the same data is refused", async () => {
  const { code, stderr } = await stack.cli("run");
  assert.equal(code, 1);
  assert.match(stderr, /already runs/);
});

test("help, completions and the manual cover every command", async () => {
  const { stdout } = await stack.cli("--help");
  for (const word of ["run", "status", "user", "cert", "check", "adduser", "passwd", "deluser", "register", "completions", "man"]) {
    assert.match(stdout, new RegExp(`^  ${word}\\b`, "m"), word);
  }
  for (const shell of ["bash", "zsh", "fish"]) {
    assert.match((await stack.cli("completions", shell)).stdout, /conclave/);
  }
  const folder = await mkdtemp(path.join(tmpdir(), "conclave-man-"));
  assert.equal((await stack.cli("man", folder)).code, 0);
  await rm(folder, { recursive: true });
});

test("accounts can be managed while the server is stopped, and are there when it starts", async () => {
  const data = await mkdtemp(path.join(tmpdir(), "conclave-stopped-"));
  const stopped = Object.assign(new Stack(), { data, home: data });
  try {
    assert.equal((await stopped.cli("status")).code, 3);
    const add = await stopped.cliWithInput("a long enough secret\n", "user", "add", "grace", "--password-stdin");
    assert.equal(add.code, 0, add.stderr);
    const started = await Stack.start({ data });
    try {
      const client = await RawXmpp.connect(started);
      assert.match(await client.signIn("grace", "a long enough secret"), /^grace@localhost\//);
      client.close();
    } finally {
      await started.stop();
    }
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});

test("a wrong configuration stops the start with one sentence naming the key", async () => {
  for (const [wrong, named] of [["videobridge.media_prt=1", "media_prt"], ["xmpp-server.https_port=99999", "https_port"], ["focus.nonsense=1", "nonsense"]]) {
    const data = await mkdtemp(path.join(tmpdir(), "conclave-wrong-"));
    const stopped = Object.assign(new Stack(), { data, home: data });
    const ports = ["--https", "0", "--c2s", "0", "--c2s-tls", "0", "--media", "0"];
    const { code, stderr } = await stopped.cli("run", ...ports, "--set", wrong);
    assert.equal(code, 78, `${wrong}: ${stderr}`);
    assert.ok(stderr.includes(named), `${wrong}: ${stderr}`);
    await rm(data, { recursive: true, force: true });
  }
});

test("SIGTERM stops everything cleanly", async () => {
  const other = await Stack.start();
  const pids = (await other.status()).processes.map((process) => process.pid);
  const ended = await other.stop();
  assert.deepEqual(ended, { code: 0, signal: null });
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
});
