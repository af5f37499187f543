import { describe, expect, test } from "vitest";
import { PASSWORD_CHARACTERS_MAX, passwordProblem, passwordStrength } from "./password";

describe("strength", () => {
  test.each([
    ["password1", 0, "common"],
    ["Passwort!", 0, "common"],
    ["aaaaaaaaaaaa", 0, "common"],
    ["abcdefgh", 0, "repeats"],
    ["1234567890", 0, "repeats"],
    ["river", 0, "longer"],
    ["river lantern 12", 2, "longer"],
    ["correct horse battery staple", 3, "good"],
    ["kV7#qz!mW2xT", 4, "good"],
  ] as const)("%s is %i (%s)", (password, level, hint) => {
    expect(passwordStrength(password, "ann")).toEqual({ level, hint });
  });

  test("the user's own name adds nothing", () => {
    const named = passwordStrength("robinson-2026-kV7#", "robinson");
    expect(named.hint).toBe("name");
    expect(named.level).toBeLessThanOrEqual(2);
  });
});

describe("problems, in the order in which they can be mended", () => {
  const change = { username: "ann", current: "old-password", next: "new-password", repeat: "new-password" };
  test.each([
    [{}, null],
    [{ current: "" }, "missing-current"],
    [{ next: "short", repeat: "short" }, "too-short"],
    [{ next: "🔑🔑🔑🔑🔑🔑🔑", repeat: "🔑🔑🔑🔑🔑🔑🔑" }, "too-short"],
    [{ next: "x".repeat(PASSWORD_CHARACTERS_MAX + 1) }, "too-long"],
    [{ next: "x".repeat(PASSWORD_CHARACTERS_MAX), repeat: "x".repeat(PASSWORD_CHARACTERS_MAX) }, null],
    [{ repeat: "new-passwort" }, "mismatch"],
    [{ next: "old-password", repeat: "old-password" }, "same-as-before"],
    [{ username: "New-Password" }, "same-as-name"],
    [{ current: null }, null],
  ] as const)("%j → %s", (part, problem) => {
    expect(passwordProblem({ ...change, ...part })).toBe(problem);
  });
});
