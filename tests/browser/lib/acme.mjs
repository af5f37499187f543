// The small ACME authority of the tests, as a process.

import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { programs } from "./stack.mjs";

export class AcmeAuthority {
  /** Starts it; flags as `acme-authority --help` has them. `root` is where its root goes. */
  static async start({ root, ...flags }) {
    const authority = new AcmeAuthority();
    authority.root = root;
    const args = ["--root", root, ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])];
    authority.process = spawn(path.join(programs, "acme-authority"), args, { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: authority.process.stdout });
    const said = await Promise.race([once(lines, "line"), once(authority.process, "exit")]);
    if (typeof said[0] !== "string") throw new Error(`the authority ended: ${said}`);
    authority.directory = said[0];
    return authority;
  }

  stop() {
    this.process.kill("SIGKILL");
  }
}
