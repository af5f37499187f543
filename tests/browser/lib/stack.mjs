// The whole stack, started as an administrator starts it: `conclave run` on a new data folder.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { createSocket } from "node:dgram";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { waitFor } from "./wait.mjs";

const run = promisify(execFile);
const repository = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../../..");
export const programs = process.env.CONCLAVE_BIN ?? path.join(process.env.CARGO_TARGET_DIR ?? path.join(repository, "target"), "release");

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function freeUdpPort() {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}

/** One running stack; `stop()` ends it and removes its data. */
export class Stack {
  /**
   * @param {{set?: string[], host?: string, data?: string, ports?: object}} options
   * `ports`: some of https, c2s, c2sTls, media instead of free ones;
   * `data`: an existing folder to start on again (it is then not removed).
   */
  static async start({ set = [], host = "localhost", data, ports = {} } = {}) {
    const stack = new Stack();
    stack.keepData = data !== undefined;
    stack.data = data ?? (await mkdtemp(path.join(tmpdir(), "conclave-")));
    stack.home = await mkdtemp(path.join(tmpdir(), "conclave-home-"));
    stack.host = host;
    stack.ports = { https: await freePort(), c2s: await freePort(), c2sTls: await freePort(), media: await freeUdpPort(), ...ports };
    const { https, c2s, c2sTls, media } = stack.ports;
    const flags = ["run", "--data", stack.data, "--host", host];
    flags.push("--https", https, "--c2s", c2s, "--c2s-tls", c2sTls, "--media", media);
    for (const value of set) flags.push("--set", value);
    stack.log = [];
    stack.output = [];
    stack.started = performance.now();
    stack.process = spawn(path.join(programs, "conclave"), flags.map(String), { stdio: ["ignore", "pipe", "pipe"] });
    createInterface({ input: stack.process.stdout }).on("line", (line) => stack.output.push(line));
    createInterface({ input: stack.process.stderr }).on("line", (line) => stack.log.push(line));
    stack.process.on("exit", (code, signal) => (stack.ended = { code, signal }));
    await waitFor("the stack to be ready", () => {
      if (stack.ended) throw new Error(`conclave ended (${JSON.stringify(stack.ended)}):\n${stack.log.slice(-40).join("\n")}`);
      return stack.output.some((line) => line.startsWith("Ready: "));
    }, 60_000).catch((error) => {
      stack.process.kill("SIGKILL");
      throw new Error(`${error.message}\n${stack.log.slice(-60).join("\n")}`);
    });
    stack.readyAfterMs = performance.now() - stack.started;
    stack.url = stack.output.find((line) => line.startsWith("Ready: ")).slice("Ready: ".length);
    return stack;
  }

  /** Runs the command line on this stack's data: `cli("user", "list", "--json")`. */
  async cli(...args) {
    return this.cliWithInput(undefined, ...args);
  }

  async cliWithInput(input, ...args) {
    const child = execFile(path.join(programs, "conclave"), [...args, "--data", this.data], {
      env: { ...process.env, HOME: this.home },
    });
    if (input !== undefined) child.stdin.write(input);
    child.stdin.end();
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => (stdout += chunk));
    child.stderr.on("data", (chunk) => (stderr += chunk));
    const [code] = await once(child, "close");
    return { code, stdout, stderr };
  }

  async addUser(name, password) {
    const { code, stderr } = await this.cliWithInput(`${password}\n`, "user", "add", name, "--password-stdin");
    if (code !== 0) throw new Error(`user add: ${stderr}`);
  }

  async status() {
    const { stdout } = await this.cli("status", "--json");
    return JSON.parse(stdout);
  }

  async pid(part) {
    const status = await this.status();
    return status.processes.find((process) => process.name === part)?.pid;
  }

  /** The bridge's own figures (JVB's names). */
  async bridgeStats() {
    const { stdout } = await run("curl", ["-s", "--unix-socket", path.join(this.data, "run/videobridge.sock"), "http://localhost/colibri/stats"]);
    return JSON.parse(stdout);
  }

  /** Puts the local authority into the browsers' stores under this stack's own home folder. */
  async trust() {
    const { stdout } = await this.cli("cert", "trust", "--json");
    return JSON.parse(stdout).stores;
  }

  room(name, { fragment = "" } = {}) {
    return `${this.url}${name}${fragment ? `#${fragment}` : ""}`;
  }

  async stop() {
    if (!this.ended) {
      this.process.kill("SIGTERM");
      await waitFor("the stack to stop", () => this.ended, 20_000);
    }
    if (!this.keepData) await rm(this.data, { recursive: true, force: true });
    await rm(this.home, { recursive: true, force: true });
    return this.ended;
  }
}
