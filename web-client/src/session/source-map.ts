/**
 * Which SSRC carries whose source. With SSRC rewriting the bridge says so, and says it anew whenever it gives one of its
 * fixed SSRCs to another source; without, the focus names everybody's own SSRCs.
 */

import type { AudioMapping, VideoMapping } from "../protocol/bridge-channel";
import { ownerOfName, type MediaKind, type SourceSet } from "../protocol/sources";

export interface MappedSource {
  readonly name: string;
  readonly owner: string | null;
  readonly kind: MediaKind;
  readonly ssrc: number;
  readonly rtx: number | null;
}

/** Most SSRCs received at a time. */
export const MAPPED_SOURCES_MAX = 256;

/** COMPAT(jicofo): the bridge's own sources belong to nobody in the room. */
const BRIDGE_OWNER = "jvb";

export class SourceMap {
  readonly #bySsrc = new Map<number, MappedSource>();

  /** In the order of their arrival; an SSRC stays even while it carries nothing, as its track is used again. */
  get all(): readonly MappedSource[] {
    return [...this.#bySsrc.values()];
  }

  byName(name: string): MappedSource | null {
    // A source that moved to another SSRC was mapped later there.
    return this.all.findLast((source) => source.name === name) ?? null;
  }

  mapVideo(mappings: readonly VideoMapping[]): void {
    for (const mapping of mappings) {
      this.#put({ name: mapping.source, owner: mapping.owner ?? ownerOfName(mapping.source), kind: "video", ssrc: mapping.ssrc, rtx: mapping.rtx > 0 ? mapping.rtx : null });
    }
  }

  mapAudio(mappings: readonly AudioMapping[]): void {
    for (const mapping of mappings) {
      this.#put({ name: mapping.source, owner: mapping.owner ?? ownerOfName(mapping.source), kind: "audio", ssrc: mapping.ssrc, rtx: null });
    }
  }

  /** Signalled sources: of a simulcast group only the first layer is received, retransmissions go with their primary. */
  add(set: SourceSet): void {
    const secondary = new Set<number>();
    const rtx = new Map<number, number>();
    for (const group of set.groups) {
      const [first, ...rest] = group.ssrcs;
      for (const ssrc of rest) secondary.add(ssrc);
      if (group.semantics === "FID" && first !== undefined && rest[0] !== undefined) rtx.set(first, rest[0]);
    }
    for (const source of set.sources) {
      const owner = source.owner ?? ownerOfName(source.name);
      if (secondary.has(source.ssrc) || owner === null || owner === BRIDGE_OWNER) continue;
      const name = source.name ?? `${owner}-${source.kind === "audio" ? "a" : "v"}0`;
      this.#put({ name, owner, kind: source.kind, ssrc: source.ssrc, rtx: rtx.get(source.ssrc) ?? null });
    }
  }

  remove(set: SourceSet): void {
    for (const source of set.sources) this.#bySsrc.delete(source.ssrc);
  }

  #put(source: MappedSource): void {
    if (!this.#bySsrc.has(source.ssrc) && this.#bySsrc.size >= MAPPED_SOURCES_MAX) return;
    // The newest word about a name counts, so it goes last.
    this.#bySsrc.delete(source.ssrc);
    this.#bySsrc.set(source.ssrc, source);
  }
}
