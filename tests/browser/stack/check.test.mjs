// `conclave check` on a stack that is well, and with things broken on purpose.

import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { Stack } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";

let folder;
let stack;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "conclave-check-"));
  stack = await Stack.start({ data: path.join(folder, "data") });
});
after(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Exit code, and the findings of one severity as sentences. */
async function check(...args) {
  const { code, stdout, stderr } = await stack.cli("check", ...args, "--json");
  assert.ok(stdout, stderr);
  const report = JSON.parse(stdout);
  const of = (severity) => report.findings.filter((finding) => finding.severity === severity).map((finding) => finding.message);
  return { code, ok: report.ok, errors: of("error"), warnings: of("warning"), right: of("ok"), findings: report.findings };
}

test("a stack that is well passes every check that needs nothing from outside", async () => {
  const { code, ok, errors, warnings, findings } = await check();
  assert.deepEqual({ code, ok, errors, warnings }, { code: 0, ok: true, errors: [], warnings: [] });
  const checks = new Set(findings.map((finding) => finding.check));
  for (const name of ["config", "certs", "connectivity", "media"]) assert.ok(checks.has(name), name);
  const said = findings.map((finding) => finding.message).join("\n");
  for (const part of [/STARTTLS answers/, /direct TLS answers/, /WebSocket answers/, /answers ICE checks/, /DTLS handshake gives keys/]) assert.match(said, part);
});

test("the check of media leaves no conference behind", async () => {
  await check("media");
  await waitFor("the conference to end", async () => (await stack.bridgeStats()).conferences === 0);
});

test("a misspelt key of any part is named with the nearest one", async () => {
  const file = path.join(stack.data, "conclave.toml");
  const good = await readFile(file, "utf8");
  try {
    for (const [text, said] of [
      ["[xmpp-server]\nhtps_port = 1\n", /htps_port.*did you mean.*https_port/],
      ["[videobridge]\nmedia_prt = 1\n", /media_prt.*did you mean.*media_port/],
      ["[focus]\nxmpp_prt = 1\n", /xmpp_prt.*did you mean.*xmpp_port/],
      ["[video-bridge]\n", /video-bridge.*did you mean.*videobridge/],
      ["host = ", /TOML/],
    ]) {
      await writeFile(file, text);
      const { code, errors } = await check("config");
      assert.equal(code, 2, text);
      assert.equal(errors.length, 1, errors.join("\n"));
      assert.match(errors[0], said);
    }
    await writeFile(file, "[[xmpp-server.external_services]]\ntype = 'turn'\nhost = 't.example'\nsecret = 'x'\n");
    await chmod(file, 0o644);
    const { errors } = await check("config");
    assert.match(errors[0], /holds a secret and other users can read it; run: chmod 600/);
  } finally {
    await writeFile(file, good);
    await chmod(file, 0o600);
  }
});

test("a key that others can read and a certificate that is not the served one are found", async () => {
  const key = path.join(stack.data, "certs/server.key");
  await chmod(key, 0o644);
  const readable = await check("certs");
  await chmod(key, 0o600);
  assert.equal(readable.code, 2);
  assert.match(readable.errors[0], /can read the private key .*server\.key; run: chmod 600/);

  const other = Object.assign(new Stack(), { data: path.join(folder, "other"), home: folder });
  const started = await Stack.start({ data: other.data });
  await started.stop();
  const chain = path.join(stack.data, "certs/server.pem");
  const [good, goodKey] = [await readFile(chain), await readFile(key)];
  await writeFile(chain, await readFile(path.join(other.data, "certs/server.pem")));
  const mismatch = await check("certs");
  assert.match(mismatch.errors[0], /private key does not belong/);
  await writeFile(key, await readFile(path.join(other.data, "certs/server.key")));
  const served = await check("connectivity");
  await writeFile(chain, good);
  await writeFile(key, goodKey);
  assert.equal(served.code, 2);
  assert.match(served.errors[0], /another certificate than the one in the data directory/);
});

test("a bridge that is frozen, and a stack that is stopped, are told apart from a well one", async () => {
  const pid = await stack.pid("videobridge");
  process.kill(pid, "SIGSTOP");
  try {
    const { code, errors } = await check("connectivity");
    assert.equal(code, 2);
    assert.match(errors.join("\n"), /videobridge does not answer/);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  const stopped = Object.assign(new Stack(), { data: folder, home: folder });
  const { code, stdout } = await stopped.cli("check", "connectivity");
  assert.equal(code, 2);
  assert.match(stdout, /^ERROR +connectivity +the XMPP server does not run/);
});

test("a name given at the start, not in the file, is the one that counts", async () => {
  const named = await Stack.start({ host: "meet.example.org" });
  try {
    const { code, stdout } = await named.cli("check");
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^ok +certs +the certificate is for meet\.example\.org/m);
  } finally {
    await named.stop();
  }
});
