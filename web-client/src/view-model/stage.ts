import { createEffect, createMemo, createSignal, on, onCleanup } from "solid-js";
import type { Accessor } from "solid-js";
import type { Meeting, ViewedSource } from "../session/meeting";
import { arrange } from "./arrangement";
import type { Arrangement, LayoutMode } from "./arrangement";
import { FOCUS_DWELL_MS, LOCAL, NO_FOCUS, nextFocus, tilesOf } from "./tiles";
import type { TileView } from "./tiles";
import { watch } from "./watch";

export interface StageSize {
  readonly width: number;
  readonly height: number;
}

export interface Stage {
  readonly tiles: Accessor<readonly TileView[]>;
  readonly tile: (key: string) => TileView | undefined;
  readonly arrangement: Accessor<Arrangement>;
  readonly mode: Accessor<LayoutMode>;
  readonly pinned: Accessor<string | null>;
  readonly resize: (size: StageSize) => void;
  readonly toggleMode: () => void;
  /** Shows a tile large; the same tile again lets go of it. */
  readonly pin: (key: string) => void;
  readonly turnPage: (by: 1 | -1) => void;
}

/** The stage of a meeting: which tiles there are, where they lie, and what is therefore asked from the other side. */
export function createStage(meeting: Meeting, devicePixelRatio: () => number, now: () => number): Stage {
  const local = watch(meeting.local);
  const remotes = watch(meeting.participants);
  const sources = watch(meeting.videoSources);
  const dominant = watch(meeting.dominantSpeaker);
  const [size, setSize] = createSignal<StageSize>({ width: 0, height: 0 });
  const [chosenMode, setChosenMode] = createSignal<LayoutMode | null>(null);
  const [pinned, setPinned] = createSignal<string | null>(null);
  const [page, setPage] = createSignal(0);
  const [focus, setFocus] = createSignal(NO_FOCUS);

  const tiles = createMemo(() => tilesOf(local(), remotes(), sources(), dominant()));
  const byKey = createMemo(() => new Map(tiles().map((tile) => [tile.key, tile])));

  let dwell: ReturnType<typeof setTimeout> | undefined;
  const refocus = (): void => {
    clearTimeout(dwell);
    const next = setFocus((before) => nextFocus(before, tiles(), pinned(), now()));
    if (next.candidate !== null) dwell = setTimeout(refocus, Math.max(0, next.candidateSince + FOCUS_DWELL_MS - now()));
  };
  createEffect(on([tiles, pinned], refocus));
  onCleanup(() => clearTimeout(dwell));

  const mode = createMemo<LayoutMode>(() => {
    const wished = chosenMode();
    if (wished !== null) return wished;
    const people = tiles().filter((tile) => tile.kind === "person").length;
    const shared = tiles().some((tile) => tile.kind === "screen" && !tile.own);
    return people <= 2 || shared ? "speaker" : "grid";
  });
  const keys = createMemo(() => tiles().map((tile) => tile.key), [], {
    equals: (a, b) => a.length === b.length && a.every((key, index) => key === b[index]),
  });
  const arrangement = createMemo(() =>
    arrange({ ...size(), mode: mode(), tiles: keys(), focus: focus().shown, own: LOCAL, page: page() }),
  );

  createEffect(() => {
    const stage: ViewedSource[] = [];
    const strip: ViewedSource[] = [];
    for (const [key, place] of arrangement().places) {
      const name = byKey().get(key)?.source ?? null;
      if (name === null) continue;
      const viewed = { name, heightPx: Math.round(place.height * devicePixelRatio()) };
      (place.role === "stage" ? stage : strip).push(viewed);
    }
    meeting.setReceiverConstraints({ stage, tiles: strip });
  });

  return {
    tiles,
    tile: (key) => byKey().get(key),
    arrangement,
    mode,
    pinned,
    resize: setSize,
    toggleMode() {
      setPage(0);
      setPinned(null);
      setChosenMode(mode() === "grid" ? "speaker" : "grid");
    },
    pin(key) {
      const next = pinned() === key ? null : key;
      setPinned(next);
      if (next !== null) setChosenMode("speaker");
    },
    turnPage(by) {
      setPage(Math.min(Math.max(arrangement().page + by, 0), arrangement().pages - 1));
    },
  };
}
