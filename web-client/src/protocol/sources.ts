/** Media sources as Jitsi signals them: in Jingle (XEP-0339 with names) and as compact JSON. */

import { NS } from "./ns";
import { xml, type XmlElement } from "./xml";

export type MediaKind = "audio" | "video";
export type VideoType = "camera" | "desktop";

export interface Source {
  readonly ssrc: number;
  readonly kind: MediaKind;
  /** `{endpoint}-v0`; null from peers that name none. */
  readonly name: string | null;
  /** Endpoint that sends it; `jvb` for the bridge's own. */
  readonly owner: string | null;
  readonly msid: string | null;
  readonly videoType: VideoType | null;
}

export interface SourceGroup {
  readonly kind: MediaKind;
  /** `FID`: primary and retransmission; `SIM`: layers from low to high. */
  readonly semantics: string;
  readonly ssrcs: readonly number[];
}

export interface SourceSet {
  readonly sources: readonly Source[];
  readonly groups: readonly SourceGroup[];
}

export const NO_SOURCES: SourceSet = { sources: [], groups: [] };

/** Most sources taken from one message. */
export const SOURCES_MAX = 2000;
export const SSRC_MAX = 0xffffffff;

export function parseSsrc(value: unknown): number | null {
  const number = typeof value === "number" ? value : typeof value === "string" && /^\d+$/.test(value) ? Number(value) : NaN;
  return Number.isInteger(number) && number > 0 && number <= SSRC_MAX ? number : null;
}

/** Sources within a Jingle `<description/>`. */
export function parseDescriptionSources(description: XmlElement, kind: MediaKind): SourceSet {
  const sources: Source[] = [];
  for (const element of description.all("source", NS.jingleSources).slice(0, SOURCES_MAX)) {
    const ssrc = parseSsrc(element.attr("ssrc"));
    if (ssrc === null) continue;
    const msid = element.all("parameter").find((parameter) => parameter.attr("name") === "msid")?.attr("value") ?? null;
    sources.push({
      ssrc,
      kind,
      name: element.attr("name"),
      owner: element.child("ssrc-info")?.attr("owner") ?? ownerOfName(element.attr("name")),
      msid,
      videoType: kind === "video" ? parseVideoType(element.attr("videoType")) : null,
    });
  }
  const groups: SourceGroup[] = [];
  for (const element of description.all("ssrc-group", NS.jingleSources).slice(0, SOURCES_MAX)) {
    const ssrcs = element.all("source").map((member) => parseSsrc(member.attr("ssrc")));
    const semantics = element.attr("semantics");
    if (semantics === null || ssrcs.some((ssrc) => ssrc === null)) continue;
    groups.push({ kind, semantics, ssrcs: ssrcs.filter((ssrc): ssrc is number => ssrc !== null) });
  }
  return { sources, groups };
}

/**
 * The compact form: `{"sources":{owner:[[video…],[video groups…],[audio…],[audio groups…]]}}`, empty arrays at the end left out.
 * Null when the text isn't that at all; entries that make no sense are left out.
 */
export function parseJsonSources(text: string): SourceSet | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const owners = isRecord(json) ? json["sources"] : undefined;
  if (!isRecord(owners)) return null;
  const sources: Source[] = [];
  const groups: SourceGroup[] = [];
  for (const [owner, lists] of Object.entries(owners)) {
    if (!Array.isArray(lists)) continue;
    const [video, videoGroups, audio, audioGroups] = lists as readonly unknown[];
    sources.push(...jsonSources(video, "video", owner), ...jsonSources(audio, "audio", owner));
    groups.push(...jsonGroups(videoGroups, "video"), ...jsonGroups(audioGroups, "audio"));
    if (sources.length > SOURCES_MAX) break;
  }
  return { sources: sources.slice(0, SOURCES_MAX), groups: groups.slice(0, SOURCES_MAX) };
}

function jsonSources(list: unknown, kind: MediaKind, owner: string): readonly Source[] {
  if (!Array.isArray(list)) return [];
  const sources: Source[] = [];
  for (const item of list as readonly unknown[]) {
    if (!isRecord(item)) continue;
    const ssrc = parseSsrc(item["s"]);
    if (ssrc === null) continue;
    sources.push({
      ssrc,
      kind,
      owner,
      name: typeof item["n"] === "string" ? item["n"] : null,
      msid: typeof item["m"] === "string" ? item["m"] : null,
      videoType: kind === "video" ? (item["v"] === undefined ? "camera" : "desktop") : null,
    });
  }
  return sources;
}

function jsonGroups(list: unknown, kind: MediaKind): readonly SourceGroup[] {
  if (!Array.isArray(list)) return [];
  const groups: SourceGroup[] = [];
  for (const item of list as readonly unknown[]) {
    if (!Array.isArray(item)) continue;
    const [letter, ...members] = item as readonly unknown[];
    const ssrcs = members.map(parseSsrc);
    const semantics = letter === "f" ? "FID" : letter === "s" ? "SIM" : null;
    if (semantics === null || ssrcs.some((ssrc) => ssrc === null)) continue;
    groups.push({ kind, semantics, ssrcs: ssrcs.filter((ssrc): ssrc is number => ssrc !== null) });
  }
  return groups;
}

/** The `<source/>` and `<ssrc-group/>` elements for a Jingle `<description/>`. */
export function sourceElements(set: SourceSet, kind: MediaKind): readonly XmlElement[] {
  return [
    ...set.sources
      .filter((source) => source.kind === kind)
      .map((source) =>
        xml(
          "source",
          NS.jingleSources,
          { name: source.name, ssrc: source.ssrc, videoType: source.videoType },
          source.msid === null ? null : xml("parameter", NS.jingleSources, { name: "msid", value: source.msid }),
        ),
      ),
    ...set.groups
      .filter((group) => group.kind === kind)
      .map((group) =>
        xml("ssrc-group", NS.jingleSources, { semantics: group.semantics }, ...group.ssrcs.map((ssrc) => xml("source", NS.jingleSources, { ssrc }))),
      ),
  ];
}

export function mergeSources(first: SourceSet, second: SourceSet): SourceSet {
  return { sources: [...first.sources, ...second.sources], groups: [...first.groups, ...second.groups] };
}

/** `{endpoint}-v0` → `{endpoint}`. */
export function ownerOfName(name: string | null): string | null {
  const dash = name?.lastIndexOf("-") ?? -1;
  return name === null || dash <= 0 ? null : name.slice(0, dash);
}

/** COMPAT(jvb): the bridge writes `CAMERA` and `DESKTOP` in its maps, clients write lower case. */
export function parseVideoType(value: string | null): VideoType | null {
  switch (value?.toLowerCase()) {
    case "camera":
      return "camera";
    case "desktop":
    case "desktop_high_fps":
      return "desktop";
    default:
      return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
