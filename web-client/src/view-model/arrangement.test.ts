import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GRID_TILES_MAX, arrange } from "./arrangement";
import type { Place } from "./arrangement";

const tiles = (count: number): string[] => ["local", ...Array.from({ length: count - 1 }, (_, index) => `p${index}`)];
const ask = (mode: "grid" | "speaker", count: number, width: number, height: number, more: { focus?: string; page?: number } = {}) =>
  arrange({ mode, width, height, tiles: tiles(count), focus: more.focus ?? null, own: "local", page: more.page ?? 0 });

describe("grid", () => {
  test.each([
    [1, 1440, 760, 1],
    [2, 1440, 760, 2],
    [4, 1440, 760, 2],
    [9, 1440, 760, 3],
    [2, 390, 700, 1],
    [12, 1440, 760, 4],
  ])("%i tiles in %i×%i stand in %i columns", (count, width, height, columns) => {
    const tops = [...ask("grid", count, width, height).places.values()].filter((place) => place.top === [...ask("grid", count, width, height).places.values()][0]?.top);
    expect(tops).toHaveLength(columns);
  });

  test("every tile lies inside, overlaps no other, and appears on exactly one page", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 240, max: 2600 }), fc.integer({ min: 240, max: 1600 }), fc.constantFrom("grid" as const, "speaker" as const), (count, width, height, mode) => {
        const first = ask(mode, count, width, height);
        const seen = new Map<string, number>();
        for (let page = 0; page < first.pages; page += 1) {
          const { places } = ask(mode, count, width, height, { page });
          expect(places.size).toBeLessThanOrEqual(GRID_TILES_MAX + 1);
          const boxes = [...places.values()];
          for (const [key, box] of places) {
            if (box.role !== "stage") seen.set(key, (seen.get(key) ?? 0) + 1);
            expect(box.left).toBeGreaterThanOrEqual(-0.5);
            expect(box.top).toBeGreaterThanOrEqual(-0.5);
            expect(box.left + box.width).toBeLessThanOrEqual(width + 0.5);
            expect(box.top + box.height).toBeLessThanOrEqual(height + 0.5);
          }
          boxes.forEach((a, index) => {
            for (const b of boxes.slice(index + 1)) if (a.role !== "float" && b.role !== "float") expect(overlap(a, b)).toBe(false);
          });
        }
        const staged = mode === "speaker" && count > 1 ? 1 : 0;
        expect(seen.size).toBe(count - staged);
        expect([...seen.values()].every((times) => times === 1)).toBe(true);
      }),
    );
  });

  test("a page beyond the last one is the last one", () => {
    expect(ask("grid", 60, 1440, 760, { page: 99 })).toMatchObject({ page: 2, pages: 3 });
  });

  test("a stage without room shows nothing yet", () => {
    expect(ask("grid", 3, 0, 0).places.size).toBe(0);
  });
});

describe("speaker", () => {
  test("our own picture floats over the only other one", () => {
    const { places } = ask("speaker", 2, 1440, 760);
    expect(places.get("p0")).toMatchObject({ role: "stage", width: 1440, height: 760 });
    expect(places.get("local")?.role).toBe("float");
  });

  test("the focused one is large, the strip stands beside it on wide stages and below on tall ones", () => {
    const wide = ask("speaker", 4, 1440, 760, { focus: "p2" }).places;
    expect(wide.get("p2")?.role).toBe("stage");
    expect(wide.get("p0")?.left).toBeGreaterThan(wide.get("p2")?.width ?? Infinity);
    const tall = ask("speaker", 4, 390, 700, { focus: "p2" }).places;
    expect(tall.get("p0")?.top).toBeGreaterThan(tall.get("p2")?.height ?? Infinity);
  });

  test("who left is no longer the focus", () => {
    expect(ask("speaker", 3, 1440, 760, { focus: "gone" }).places.get("p0")?.role).toBe("stage");
  });
});

function overlap(a: Place, b: Place): boolean {
  const slack = 0.5;
  return a.left + slack < b.left + b.width && b.left + slack < a.left + a.width && a.top + slack < b.top + b.height && b.top + slack < a.top + a.height;
}
