import { describe, expect, test } from "vitest";
import { en } from "../messages/en";
import { de } from "../messages/de";
import { chooseLanguage } from "../messages/catalogue";
import { chatParts } from "./chat";
import { encryptionState } from "./encryption";
import { PREFERENCES_DEFAULT, createPreferences } from "./preferences";
import { focusKind, shortcutOf } from "./shortcuts";
import type { KeyPress } from "./shortcuts";

describe("who could listen", () => {
  test.each([
    ["direct", 1, "direct"],
    ["direct", 2, "server"],
    ["server", 1, "server"],
    ["none", 1, "server"],
    ["direct", 0, "none"],
    ["server", 0, "none"],
  ] as const)("path %s with %i others: %s", (path, others, state) => {
    expect(encryptionState(path, others)).toBe(state);
  });

  test("the sentences are exact", () => {
    expect(en.encryption.direct).toBe("Direct – only the two of you can hear this");
    expect(en.encryption.server).toBe("Through this server – its operator could technically access the media");
  });
});

describe("links in chat", () => {
  test.each([
    ["see https://example.org/a.", ["see ", "https://example.org/a", "."]],
    ["(http://example.org)", ["(", "http://example.org", ")"]],
    ["javascript:alert(1)", ["javascript:alert(1)"]],
    ["<b>https://example.org</b>", ["<b>", "https://example.org", "</b>"]],
    ["no link", ["no link"]],
    ["https://", ["https://"]],
  ])("%s", (text, parts) => {
    expect(chatParts(text).map((part) => part.text)).toEqual(parts);
    expect(chatParts(text).every((part) => part.kind === "text" || /^https?:/.test(part.href))).toBe(true);
  });
});

describe("shortcuts", () => {
  const press = (key: string, part: Partial<KeyPress> = {}): KeyPress => ({ key, ctrlKey: false, altKey: false, metaKey: false, repeat: false, ...part });

  test("keys act unless somebody writes, or another key is held", () => {
    expect(shortcutOf(press("m"), "other")).toBe("microphone");
    expect(shortcutOf(press("M"), "control")).toBe("microphone");
    expect(shortcutOf(press("m"), "text")).toBeNull();
    expect(shortcutOf(press("c", { ctrlKey: true }), "other")).toBeNull();
    expect(shortcutOf(press(" ", { repeat: true }), "other")).toBeNull();
  });

  test("the space bar still presses a focused button", () => {
    expect(shortcutOf(press(" "), "other")).toBe("push-to-talk");
    expect(shortcutOf(press(" "), "control")).toBeNull();
  });

  test("focus is told apart", () => {
    document.body.innerHTML = `<button><span>x</span></button><textarea></textarea><input type="checkbox"><input><div role="menu"><button>y</button></div><p>z</p>`;
    const kindOf = (selector: string) => focusKind(document.querySelector(selector));
    expect(kindOf("button > span")).toBe("control");
    expect(kindOf("textarea")).toBe("text");
    expect(kindOf("input[type=checkbox]")).toBe("control");
    expect(kindOf("input:not([type])")).toBe("text");
    expect(kindOf("[role=menu] button")).toBe("text");
    expect(kindOf("p")).toBe("other");
  });
});

describe("preferences", () => {
  const storage = (initial: string | null): Storage => {
    let value = initial;
    return { getItem: () => value, setItem: (_: string, next: string) => void (value = next) } as unknown as Storage;
  };

  test("survive in storage", () => {
    const kept = storage(null);
    createPreferences(() => kept).change({ displayName: "Ann", cameraOn: false });
    expect(createPreferences(() => kept).value()).toEqual({ ...PREFERENCES_DEFAULT, displayName: "Ann", cameraOn: false });
  });

  test.each(["{", "7", '{"displayName":5,"cameraOn":"yes","devices":[]}'])("what cannot be read (%s) is as on the first visit", (text) => {
    expect(createPreferences(() => storage(text)).value()).toEqual(PREFERENCES_DEFAULT);
  });

  test("a browser that forbids storage still keeps them for the tab", () => {
    const preferences = createPreferences(() => {
      throw new Error("forbidden");
    });
    preferences.change({ displayName: "Ann" });
    expect(preferences.value().displayName).toBe("Ann");
  });
});

describe("languages", () => {
  test.each([
    [["de-AT", "en"], "de"],
    [["fr", "en-GB"], "en"],
    [["ja"], "en"],
  ])("%j → %s", (wished, language) => {
    expect(chooseLanguage(wished)).toBe(language);
  });

  test("German says everything, and nothing in English by oversight", () => {
    const same: string[] = [];
    const walk = (a: unknown, b: unknown, path: string): void => {
      if (typeof a === "string" && typeof b === "string" && a === b && a.includes(" ")) same.push(path);
      if (typeof a === "object" && a !== null && typeof b === "object" && b !== null) {
        for (const [key, value] of Object.entries(a)) walk(value, (b as Record<string, unknown>)[key], `${path}.${key}`);
      }
    };
    walk(en, de, "");
    expect(same).toEqual([]);
  });
});
