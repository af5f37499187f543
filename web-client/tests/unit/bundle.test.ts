/** What a browser has to load before the pre-join page and before the meeting, compressed as the server sends it. */

import { brotliCompressSync } from "node:zlib";
import { resolve } from "node:path";
import { build } from "vite";
import type { Rolldown } from "vite";
import { beforeAll, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
const PREJOIN_BYTES_MAX = 150_000;
const JOINED_BYTES_MAX = 300_000;
const STYLES_BYTES_MAX = 20_000;

let output: readonly (Rolldown.OutputChunk | Rolldown.OutputAsset)[] = [];

beforeAll(async () => {
  const built = await build({ root: ROOT, configFile: resolve(ROOT, "vite.config.ts"), logLevel: "silent", mode: "production", build: { write: false } });
  output = Array.isArray(built) ? built.flatMap((one) => one.output) : "output" in built ? built.output : [];
}, 120_000);

const chunks = (): readonly Rolldown.OutputChunk[] => output.filter((part) => part.type === "chunk");

/** Compressed size of these modules' chunks and all they import at once. */
function bytesFor(...modules: readonly string[]): number {
  const wanted = new Set<string>();
  const add = (fileName: string): void => {
    if (wanted.has(fileName)) return;
    wanted.add(fileName);
    for (const imported of chunks().find((chunk) => chunk.fileName === fileName)?.imports ?? []) add(imported);
  };
  for (const name of modules) {
    const chunk = chunks().find((one) => one.moduleIds.some((id) => id.endsWith(name)));
    expect(chunk, name).toBeDefined();
    if (chunk !== undefined) add(chunk.fileName);
  }
  return [...wanted].reduce((sum, fileName) => sum + compressed(chunks().find((chunk) => chunk.fileName === fileName)?.code ?? ""), 0);
}

const compressed = (content: string | Uint8Array): number => brotliCompressSync(content).length;

test("scripts up to the pre-join page", () => {
  expect(bytesFor("src/main.tsx", "src/ui/meeting/MeetingPage.tsx", "src/session/start.ts")).toBeLessThanOrEqual(PREJOIN_BYTES_MAX);
});

test("scripts up to the meeting", () => {
  expect(bytesFor("src/main.tsx", "src/ui/meeting/MeetingPage.tsx", "src/session/start.ts", "src/ui/meeting/MeetingScreen.tsx")).toBeLessThanOrEqual(JOINED_BYTES_MAX);
});

test("styles", () => {
  const styles = output.filter((part) => part.type === "asset" && part.fileName.endsWith(".css"));
  expect(styles.length).toBeGreaterThan(0);
  expect(styles.reduce((sum, part) => sum + (part.type === "asset" ? compressed(part.source) : 0), 0)).toBeLessThanOrEqual(STYLES_BYTES_MAX);
});

test("nothing of the demo is in the product", () => {
  expect(chunks().some((chunk) => chunk.moduleIds.some((id) => id.includes("/tests/")))).toBe(false);
});

test("the page has no script or style of its own in it, and names no other host", () => {
  const page = output.find((part) => part.fileName === "index.html");
  const html = page?.type === "asset" ? String(page.source) : "";
  expect(html).toContain("/config.js");
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=/);
  expect(html).not.toMatch(/https?:\/\//);
});
