/** Where every tile lies. Pure geometry in CSS pixels: the same tiles keep their elements, only their boxes change. */

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export type Place = Box & {
  /** `stage` is shown large, `float` lies over it, `strip` is the row of the others. */
  readonly role: "grid" | "stage" | "strip" | "float";
};

export type LayoutMode = "grid" | "speaker";

export interface ArrangementRequest {
  readonly mode: LayoutMode;
  readonly width: number;
  readonly height: number;
  /** In the order shown. */
  readonly tiles: readonly string[];
  /** Shown large in `speaker`; null takes the first one. */
  readonly focus: string | null;
  /** Our own camera: floats over the stage when there is only one other tile. */
  readonly own: string | null;
  /** Counted from 0; clamped. */
  readonly page: number;
}

export interface Arrangement {
  readonly places: ReadonlyMap<string, Place>;
  readonly page: number;
  readonly pages: number;
}

export const GAP_PX = 12;
const ASPECT_WIDEST = 16 / 9;
const ASPECT_NARROWEST = 3 / 4;
/** Below this a face cannot be read; more people go to the next page. */
const TILE_AREA_MIN_PX2 = 20_000;
export const GRID_TILES_MAX = 25;
const STRIP_TILE_WIDTH_PX = 184;
const STRIP_TILE_WIDTH_NARROW_PX = 108;
const NARROW_PX = 640;

export function arrange(request: ArrangementRequest): Arrangement {
  const { tiles, width, height } = request;
  if (tiles.length === 0 || width <= 0 || height <= 0) return { places: new Map(), page: 0, pages: 1 };
  return request.mode === "speaker" && tiles.length > 1 ? speaker(request) : grid(request);
}

function grid({ tiles, width, height, page }: ArrangementRequest): Arrangement {
  const perPage = tilesPerPage(width, height, tiles.length);
  const pages = Math.ceil(tiles.length / perPage);
  const shownPage = clamp(page, 0, pages - 1);
  const shown = tiles.slice(shownPage * perPage, (shownPage + 1) * perPage);
  // A last page that is not full keeps the size of the others, so nothing jumps while paging.
  const { columns, tileWidth, tileHeight } = bestGrid(width, height, pages > 1 ? perPage : shown.length);
  const rows = Math.ceil(shown.length / columns);
  const top = (height - rows * tileHeight - (rows - 1) * GAP_PX) / 2;
  const places = new Map<string, Place>();
  shown.forEach((tile, index) => {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, shown.length - row * columns);
    const left = (width - inRow * tileWidth - (inRow - 1) * GAP_PX) / 2;
    places.set(tile, {
      role: "grid",
      left: left + (index % columns) * (tileWidth + GAP_PX),
      top: top + row * (tileHeight + GAP_PX),
      width: tileWidth,
      height: tileHeight,
    });
  });
  return { places, page: shownPage, pages };
}

function speaker({ tiles, width, height, focus, own, page }: ArrangementRequest): Arrangement {
  const large = focus !== null && tiles.includes(focus) ? focus : (tiles.find((tile) => tile !== own) ?? tiles[0]);
  if (large === undefined) return { places: new Map(), page: 0, pages: 1 };
  const others = tiles.filter((tile) => tile !== large);
  const narrow = width < NARROW_PX;
  const places = new Map<string, Place>();
  if (others.length === 1 && others[0] === own) {
    places.set(large, { role: "stage", left: 0, top: 0, width, height });
    const floatWidth = narrow ? Math.min(112, width * 0.3) : clamp(width * 0.2, 160, 264);
    const floatHeight = narrow ? floatWidth / ASPECT_NARROWEST : floatWidth / ASPECT_WIDEST;
    const inset = narrow ? GAP_PX : GAP_PX + 4;
    places.set(own, {
      role: "float",
      left: width - floatWidth - inset,
      top: height - floatHeight - inset,
      width: floatWidth,
      height: floatHeight,
    });
    return { places, page: 0, pages: 1 };
  }
  const stripWidth = narrow ? STRIP_TILE_WIDTH_NARROW_PX : STRIP_TILE_WIDTH_PX;
  const stripHeight = narrow ? stripWidth / (4 / 3) : stripWidth / ASPECT_WIDEST;
  // The strip stands beside the stage on wide screens and below it on tall ones.
  const beside = width > height * 1.25;
  const capacity = beside
    ? Math.max(1, Math.floor((height + GAP_PX) / (stripHeight + GAP_PX)))
    : Math.max(1, Math.floor((width + GAP_PX) / (stripWidth + GAP_PX)));
  const pages = Math.ceil(others.length / capacity);
  const shownPage = clamp(page, 0, pages - 1);
  const shown = others.slice(shownPage * capacity, (shownPage + 1) * capacity);
  const stage: Box = beside
    ? { left: 0, top: 0, width: width - stripWidth - GAP_PX, height }
    : { left: 0, top: 0, width, height: height - stripHeight - GAP_PX };
  places.set(large, { role: "stage", ...stage });
  const length = shown.length * ((beside ? stripHeight : stripWidth) + GAP_PX) - GAP_PX;
  shown.forEach((tile, index) => {
    places.set(tile, {
      role: "strip",
      left: beside ? stage.width + GAP_PX : (width - length) / 2 + index * (stripWidth + GAP_PX),
      top: beside ? (height - length) / 2 + index * (stripHeight + GAP_PX) : stage.height + GAP_PX,
      width: stripWidth,
      height: stripHeight,
    });
  });
  return { places, page: shownPage, pages };
}

function tilesPerPage(width: number, height: number, count: number): number {
  for (let n = Math.min(count, GRID_TILES_MAX); n > 1; n -= 1) {
    const { tileWidth, tileHeight } = bestGrid(width, height, n);
    if (tileWidth * tileHeight >= TILE_AREA_MIN_PX2) return n;
  }
  return 1;
}

/** The number of columns with which `count` tiles cover most of the room, inside the bearable shapes. */
function bestGrid(width: number, height: number, count: number): { columns: number; tileWidth: number; tileHeight: number } {
  let best = { columns: 1, tileWidth: 0, tileHeight: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - (columns - 1) * GAP_PX) / columns;
    const cellHeight = (height - (rows - 1) * GAP_PX) / rows;
    if (cellWidth <= 0 || cellHeight <= 0) continue;
    const aspect = clamp(cellWidth / cellHeight, ASPECT_NARROWEST, ASPECT_WIDEST);
    const tileWidth = Math.min(cellWidth, cellHeight * aspect);
    const tileHeight = tileWidth / aspect;
    if (tileWidth * tileHeight > best.tileWidth * best.tileHeight + 1) best = { columns, tileWidth, tileHeight };
  }
  return best;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), Math.max(low, high));
}
