// A certificate authority of the tests: a root, and server certificates valid between any two moments.

import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** 20261124031500Z, as openssl takes moments. */
const moment = (date) => date.toISOString().replace(/[-:T]|\.\d+/g, "");

export class Authority {
  /** Makes the root in `folder`. */
  static async make(folder) {
    const authority = new Authority();
    authority.folder = folder;
    await mkdir(folder, { recursive: true });
    authority.root = path.join(folder, "root.pem");
    await run("openssl", ["req", "-x509", ...key, "-keyout", path.join(folder, "root.key"), "-out", authority.root, "-days", "30", "-subj", "/CN=Test Root"]);
    await writeFile(path.join(folder, "index.txt"), "");
    await writeFile(
      path.join(folder, "ca.cnf"),
      "[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=.\ndatabase=index.txt\nrand_serial=yes\ndefault_md=sha256\nunique_subject=no\npolicy=p\ncopy_extensions=copy\n[p]\ncommonName=supplied\n",
    );
    return authority;
  }

  /** A key and a chain up to the root for `host`, valid for `days` in all, `left` of them still to come. */
  async issue(host, { days, left }) {
    const name = (suffix) => path.join(this.folder, `${host}.${suffix}`);
    await run("openssl", ["req", "-new", ...key, "-keyout", name("key"), "-out", name("csr"), "-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`]);
    const end = new Date(Date.now() + left * 86_400_000);
    const start = new Date(end.getTime() - days * 86_400_000);
    const when = ["-startdate", moment(start), "-enddate", moment(end)];
    await run("openssl", ["ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "root.pem", "-keyfile", "root.key", ...when, "-in", name("csr"), "-out", name("pem")], { cwd: this.folder });
    const leaf = await readFile(name("pem"), "utf8");
    return { leaf, chain: leaf + (await readFile(this.root, "utf8")), key: await readFile(name("key"), "utf8") };
  }
}
