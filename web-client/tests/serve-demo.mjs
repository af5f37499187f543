/** The interface with the demo meeting, as built, under a strict content security policy. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "media-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'self'",
].join("; ");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** The built demo, in memory, at a port of its own. */
export async function serveDemo() {
  const { output } = await build({
    root,
    configFile: path.join(root, "vite.config.ts"),
    logLevel: "error",
    build: { write: false, rollupOptions: { input: path.join(root, "tests/demo/demo.html") } },
  });
  const files = new Map(output.map((part) => [`/${part.fileName}`, part.type === "chunk" ? part.code : part.source]));
  files.set("/favicon.svg", await readFile(path.join(root, "public/favicon.svg")));
  const serving = createServer((request, response) => {
    const name = new URL(request.url, "http://localhost").pathname;
    const content = files.get(name);
    response.writeHead(content === undefined ? 404 : 200, {
      "content-type": TYPES[path.extname(name)] ?? "application/octet-stream",
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
    });
    response.end(content);
  });
  await new Promise((resolve) => serving.listen(0, "127.0.0.1", resolve));
  return { server: serving, origin: `http://127.0.0.1:${serving.address().port}` };
}
