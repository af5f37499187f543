// `conclave check dns | turn | privacy`: against a name server of the test's own, and Debian's TURN server.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { NameServer } from "../lib/name-server.mjs";
import { Stack } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";

const SECRET = "a secret of both";
let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "conclave-outside-"));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Runs a check on a stopped server with this configuration. */
async function check(configuration, ...args) {
  await writeFile(path.join(folder, "conclave.toml"), configuration, { mode: 0o600 });
  const stopped = Object.assign(new Stack(), { data: folder, home: folder });
  const { code, stdout, stderr } = await stopped.cli("check", ...args, "--json");
  assert.ok(stdout, stderr);
  const { findings } = JSON.parse(stdout);
  const of = (severity) => findings.filter((finding) => finding.severity === severity).map((finding) => finding.message);
  return { code, errors: of("error"), warnings: of("warning"), right: of("ok") };
}

test("DNS that leads here, with a record for another port, is right", async () => {
  const server = await NameServer.start({
    "meet.example.org A": ["127.0.0.1"],
    "_xmpp-client._tcp.meet.example.org SRV": [{ port: 15222, target: "meet.example.org" }],
  });
  try {
    const { code, right } = await check("host = 'meet.example.org'\n[xmpp-server]\nc2s_port = 15222\n", "dns", "--name-server", server.address);
    assert.equal(code, 0);
    assert.ok(right.some((line) => line === "meet.example.org leads to 127.0.0.1."), right.join("\n"));
    assert.ok(right.some((line) => line.startsWith("_xmpp-client._tcp.meet.example.org leads to port 15222")), right.join("\n"));
  } finally {
    server.stop();
  }
});

test("a missing address, a wrong port, a missing record and a foreign address are each named with the remedy", async () => {
  const server = await NameServer.start({
    "elsewhere.example.org A": ["203.0.113.9"],
    "_xmpp-client._tcp.elsewhere.example.org SRV": [{ port: 5269, target: "old.example.org" }],
    "moved.example.org A": ["127.0.0.1"],
  });
  const ask = (configuration) => check(configuration, "dns", "--name-server", server.address);
  try {
    const nowhere = await ask("host = 'nowhere.example.org'\n");
    assert.equal(nowhere.code, 2);
    assert.match(nowhere.errors[0], /nowhere\.example\.org has no address in DNS; add an A record/);
    const elsewhere = await ask("host = 'elsewhere.example.org'\n");
    assert.match(elsewhere.warnings[0], /leads to 203\.0\.113\.9, which is not an address of this machine.*videobridge\.advertise/);
    assert.match(elsewhere.errors[0], /leads to old\.example\.org port 5269, but this server listens on 5222/);
    const behindRouter = await ask("host = 'elsewhere.example.org'\n[videobridge]\nadvertise = ['203.0.113.9']\n");
    assert.deepEqual(behindRouter.warnings, []);
    const moved = await ask("host = 'moved.example.org'\n[xmpp-server]\nc2s_port = 15222\n");
    assert.match(moved.errors[0], /add the record: _xmpp-client\._tcp\.moved\.example\.org\. SRV 0 5 15222 moved\.example\.org\./);
  } finally {
    server.stop();
  }
  const silent = createSocket("udp4").bind(0, "127.0.0.1");
  await once(silent, "listening");
  const { code, errors } = await check("host = 'meet.example.org'\n", "dns", "--name-server", `127.0.0.1:${silent.address().port}`);
  silent.close();
  assert.equal(code, 2);
  assert.match(errors[0], /DNS cannot be asked .*no answer/);
  assert.equal((await check("", "dns")).code, 1, "localhost is nobody else's");
});

/** Debian's TURN server on a free port. */
async function turnServer() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  const flags = ["-n", "-L", "127.0.0.1", "-p", port, "--use-auth-secret", `--static-auth-secret=${SECRET}`, "--realm=example.org"];
  flags.push("--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers", "--log-file=stdout", `--pidfile=${folder}/turn.pid`, `--userdb=${folder}/turn.db`);
  const server = spawn("turnserver", flags.map(String), { stdio: ["ignore", "ignore", "inherit"] });
  await Promise.race([once(server, "spawn"), once(server, "error").then(([error]) => Promise.reject(new Error(`turnserver (package coturn): ${error.message}`)))]);
  return { server, port };
}

test("STUN and TURN that answer pass; a wrong secret and a dead port are told apart", async () => {
  const { server, port } = await turnServer();
  const service = (type, rest = "", at = port) => `[[xmpp-server.external_services]]\ntype = '${type}'\nhost = '127.0.0.1'\nport = ${at}\n${rest}\n`;
  try {
    const good = service("stun") + service("turn", `secret = '${SECRET}'`) + service("turn", `transport = 'tcp'\nsecret = '${SECRET}'`);
    const report = await waitFor("the TURN server", async () => {
      const report = await check(good, "turn");
      return report.code === 0 && report;
    });
    const relays = "answers and relays with our credentials.";
    assert.deepEqual(report.right, [`stun:127.0.0.1:${port} answers.`, `turn:127.0.0.1:${port} ${relays}`, `turn:127.0.0.1:${port}?transport=tcp ${relays}`]);
    const wrong = await check(service("turn", "secret = 'another'"), "turn");
    assert.equal(wrong.code, 2);
    assert.match(wrong.errors[0], /does not take our credentials; give both the same secret/);
  } finally {
    server.kill("SIGKILL");
    await once(server, "exit");
  }
  const dead = await check(service("turn", "transport = 'tcp'"), "turn");
  assert.match(dead.errors[0], /cannot be reached .*check host, port and firewall/);
});

test("settings that keep or tell more than the default are named; the default is silent", async () => {
  assert.equal((await check("", "privacy")).code, 0);
  const { code, warnings } = await check(
    "[xmpp-server]\nmetrics_listen = '0.0.0.0:9090'\n[[xmpp-server.external_services]]\ntype = 'stun'\nhost = 'stun.elsewhere.example'\n[web.config]\nrtcstatsEnabled = true\n",
    "privacy",
  );
  assert.equal(code, 1);
  for (const said of [/0\.0\.0\.0:9090/, /stun\.elsewhere\.example learns the addresses/, /web\.config\.rtcstatsEnabled/]) {
    assert.ok(warnings.some((line) => said.test(line)), warnings.join("\n"));
  }
});
