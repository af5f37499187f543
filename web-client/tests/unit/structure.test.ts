/** The rules of the source tree that the compiler does not know. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const SOURCE = resolve(import.meta.dirname, "../../src");

/** From bottom to top; a layer imports only from its own and from those below. `media` and `session` stand side by side, `session` using `media`. */
const LAYERS = ["protocol", "xmpp", "media", "session", "view-model", "ui"];
/** Files beside the layers that any of them may use. */
const FOUNDATION = ["reactive.ts", "errors.ts", "clock.ts", "config.ts"];

function sourceFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => join(folder, name));
}

function importsOf(file: string): readonly string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].flatMap((match) => match[1] ?? []);
}

function layerOf(path: string): number {
  return LAYERS.indexOf(relative(SOURCE, path).split("/")[0] ?? "");
}

const FILES = sourceFiles(SOURCE).filter((file) => !/\.test\.tsx?$/.test(file));

describe("structure", () => {
  it("imports go down only", () => {
    const breaches: string[] = [];
    for (const file of FILES) {
      const from = layerOf(file);
      if (from < 0) continue;
      for (const target of importsOf(file)) {
        const path = resolve(dirname(file), target);
        const name = relative(SOURCE, path);
        const to = layerOf(path);
        const allowed = to >= 0 ? to <= from : name.startsWith("messages/") || name === "messages" || FOUNDATION.includes(`${name}.ts`) || target.endsWith(".css");
        if (!allowed) breaches.push(`${relative(SOURCE, file)} imports ${name}`);
      }
    }
    expect(breaches).toEqual([]);
  });

  it("media does not know the meeting, and only its sdp folder and the connection above it know SDP", () => {
    const breaches = FILES.filter((file) => {
      const name = relative(SOURCE, file);
      const text = readFileSync(file, "utf8");
      if (/sdp-transform/.test(text) && !name.startsWith("media/sdp/")) return true;
      return importsOf(file).some((target) => /\/sdp\//.test(target)) && !name.startsWith("media/");
    });
    expect(breaches).toEqual([]);
  });

  it("has no `any`, no default export, no assertion that something is not null", () => {
    const breaches: string[] = [];
    for (const file of FILES) {
      const code = readFileSync(file, "utf8")
        .replace(/\/\*[\s\S]*?\*\//g, "")
        .replace(/\/\/.*$/gm, "")
        .replace(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g, '""');
      if (/[:<(,|&]\s*any\b|\bas any\b/.test(code)) breaches.push(`${relative(SOURCE, file)}: any`);
      if (/export default/.test(code)) breaches.push(`${relative(SOURCE, file)}: default export`);
      if (/[\w)\]]!(?:\.|\[|\)|;|,)/.test(code)) breaches.push(`${relative(SOURCE, file)}: non-null assertion`);
      if (/@ts-(?:ignore|nocheck)/.test(code)) breaches.push(`${relative(SOURCE, file)}: compiler silenced`);
    }
    expect(breaches).toEqual([]);
  });

  it("asks nothing of other origins", () => {
    const foreign = FILES.flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/(?:fetch|import|src=|href=)\s*\(?\s*["'`](https?:\/\/[^"'`]+)/g)].map((match) => `${relative(SOURCE, file)}: ${match[1] ?? ""}`),
    );
    expect(foreign).toEqual([]);
  });
});
