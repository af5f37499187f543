// Certificates made elsewhere on a running stack: import, reload without dropping anybody, warnings.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import tls from "node:tls";
import { promisify } from "node:util";
import { Authority } from "../lib/authority.mjs";
import { Stack } from "../lib/stack.mjs";
import { waitFor } from "../lib/wait.mjs";
import { RawXmpp } from "../lib/xmpp.mjs";

let folder;
let data;
let authority;
let stack;
const metrics = "127.0.0.1:39517";
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "conclave-certificates-"));
  data = path.join(folder, "data");
  authority = await Authority.make(path.join(folder, "authority"));
  stack = await Stack.start({ data, set: [`xmpp-server.metrics_listen=${metrics}`] });
});
after(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The certificate that a new connection to `port` is given, and whether our root vouches for it. */
async function served(port, { servername = "localhost" } = {}) {
  const ca = await readFile(authority.root);
  const socket = tls.connect({ host: "127.0.0.1", port, servername, ca, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const seen = { certificate: socket.getPeerCertificate(), authorized: socket.authorized };
  socket.destroy();
  return seen;
}

/** What the web entry answers, whoever vouches for it. */
async function get(where) {
  const [response] = await once(request({ host: "127.0.0.1", port: stack.ports.https, path: where, rejectUnauthorized: false }).end(), "response");
  const chunks = await response.toArray();
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

/** Lays a certificate out as Certbot does: links in `live/NAME` into an archive. */
async function certbot(root, host, { chain, key }) {
  const [live, archive] = [path.join(root, "live", host), path.join(root, "archive", host)];
  await mkdir(live, { recursive: true });
  await mkdir(archive, { recursive: true });
  for (const [name, text] of [["fullchain", chain], ["privkey", key]]) {
    await writeFile(path.join(archive, `${name}1.pem`), text);
    await symlink(`../../archive/${host}/${name}1.pem`, path.join(live, `${name}.pem`));
  }
  return live;
}

test("phones are helped to trust the local authority, in the form each takes", async () => {
  const page = await get("/trust");
  assert.match(page.headers["content-type"], /^text\/html/);
  const shown = JSON.parse((await stack.cli("cert", "show", "--ca", "--json")).stdout);
  const html = page.body.toString().replaceAll("<wbr>", "");
  assert.ok(html.includes(shown.certificate.fingerprint_sha256), html);
  for (const link of html.matchAll(/href="([^"]+)"/g)) assert.equal((await get(link[1])).status, 200, link[1]);
  const pem = await get("/trust/conclave-ca.pem");
  assert.equal(pem.body.toString(), shown.pem);
  const der = await get("/trust/conclave-ca.crt");
  assert.equal(der.headers["content-type"], "application/x-x509-ca-cert");
  assert.equal(new X509Certificate(der.body).fingerprint256, shown.certificate.fingerprint_sha256);
  const profile = await get("/trust/conclave-ca.mobileconfig");
  assert.equal(profile.headers["content-type"], "application/x-apple-aspen-config");
  const inside = /<data>([^<]+)<\/data>/.exec(profile.body.toString())[1];
  assert.deepEqual(Buffer.from(inside, "base64"), der.body);
  assert.ok(stack.output.some((line) => line.includes(`${stack.url}trust`)), stack.output.join("\n"));
  assert.equal(JSON.parse((await stack.cli("cert", "show", "--json")).stdout).trust_page, `${stack.url}trust`);
});

test("a certificate is generated without a question, and a request is one that openssl takes", async () => {
  for (const host of ["localhost", "auth.localhost"]) {
    const { code, stderr } = await stack.cliWithInput("\n", "cert", "generate", host);
    assert.equal(code, 0, stderr);
  }
  const other = await stack.cli("cert", "generate", "other.example");
  assert.equal(other.code, 1);
  assert.match(other.stderr, /not for other\.example; add it to names/);
  const requested = JSON.parse((await stack.cli("cert", "request", "--json")).stdout);
  const { stdout } = await promisify(execFile)("openssl", ["req", "-in", requested.request, "-noout", "-verify", "-text"]);
  assert.match(stdout, /DNS:localhost/);
});

test("Certbot's folder is taken while people are connected; they stay, new connections get the new one", async () => {
  await stack.addUser("ann", "a long enough secret");
  const open = await RawXmpp.connect(stack);
  await open.signIn("ann", "a long enough secret");
  const live = await certbot(path.join(folder, "letsencrypt"), "localhost", await authority.issue("localhost", { days: 90, left: 60 }));
  const { code, stdout, stderr } = await stack.cli("cert", "import", live, "--json");
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).reloaded, true);
  for (const port of [stack.ports.https, stack.ports.c2sTls]) {
    const { certificate, authorized } = await served(port);
    assert.ok(authorized, certificate.issuer.CN);
    assert.equal(certificate.subject.CN, "localhost");
  }
  const reply = await open.iq("ping", "<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>");
  assert.match(reply, /type=['"]result['"]/);
  open.close();
  const known = await waitFor("the status to know", async () => {
    const { certificate } = await stack.status();
    return certificate.days_left === 59 && certificate;
  });
  assert.equal(known.warning, null);
});

test("an incomplete chain, a foreign key and another host are refused with a sentence; nothing changes", async () => {
  const good = await authority.issue("localhost", { days: 90, left: 60 });
  const other = await authority.issue("other.example", { days: 90, left: 60 });
  const ended = await authority.issue("localhost", { days: 90, left: -1 });
  const before = (await served(stack.ports.https)).certificate.fingerprint256;
  const refused = async (chain, key, said) => {
    await writeFile(path.join(folder, "chain.pem"), chain);
    await writeFile(path.join(folder, "key.pem"), key);
    const { code, stderr } = await stack.cli("cert", "import", path.join(folder, "chain.pem"), path.join(folder, "key.pem"));
    assert.equal(code, 1);
    assert.match(stderr, said);
  };
  await refused(good.leaf, good.key, /not complete: the certificate of CN=Test Root is missing/);
  await refused(good.chain, other.key, /does not belong to the certificate/);
  await refused(other.chain, other.key, /is for other\.example, not for localhost/);
  await refused(ended.chain, ended.key, /valid from .* only; renew it/);
  assert.equal((await served(stack.ports.https)).certificate.fingerprint256, before);
});

test("the end of the certificate is told in the status, the figures, the check and the log", async () => {
  const { chain, key } = await authority.issue("localhost", { days: 90, left: 10.5 });
  const home = path.join(folder, ".acme.sh", "localhost_ecc");
  await mkdir(home, { recursive: true });
  await writeFile(path.join(home, "fullchain.cer"), chain);
  await writeFile(path.join(home, "localhost.key"), key);
  // In the order of words that prosodyctl has.
  assert.equal((await stack.cli("cert", "import", "localhost", path.join(folder, ".acme.sh"))).code, 0);
  assert.doesNotMatch((await get("/trust")).body.toString(), /mobileconfig/, "there is nothing to trust any more");
  const status = await waitFor("the status to know", async () => {
    const { certificate } = await stack.status();
    return certificate.days_left === 10 && certificate;
  });
  assert.match(status.warning, /^the certificate ends in 10 days; renew it/);
  assert.match((await stack.cli("status")).stdout, /^certificate +10 days left: the certificate ends in 10 days/m);
  const figures = await (await fetch(`http://${metrics}/metrics`)).text();
  const end = Number(/^conclave_certificate_expiry_timestamp_seconds (\d+)$/m.exec(figures)[1]);
  assert.ok(Math.abs(end - Date.now() / 1000 - 10.5 * 86_400) < 600, figures);
  const { code, stdout } = await stack.cli("check", "certs", "--json");
  assert.equal(code, 1);
  assert.equal(JSON.parse(stdout).severity, "warning");
});

test("the focus and the bridge come back under an imported certificate, and the log warns at once", async () => {
  await stack.stop();
  stack = await Stack.start({ data });
  assert.ok((await served(stack.ports.https)).authorized);
  assert.match((await served(stack.ports.c2sTls, { servername: "auth.localhost" })).certificate.issuer.CN, /^Conclave local CA/);
  const warnings = stack.log.filter((line) => line.includes("the certificate ends in 10 days"));
  assert.equal(warnings.length, 1, stack.log.join("\n"));
});
