/**
 * What the deployment and the address decide, resolved once. `/config.js` sets a global `config` as Jitsi's does;
 * the fragment of the address may override the keys in `OVERRIDABLE`, with Jitsi's syntax (`#config.a.b=JSON`).
 */

export interface ClientConfig {
  readonly domain: string;
  /** Domain for guests when the main one wants a login; null: guests use `domain`. */
  readonly anonymousDomain: string | null;
  readonly mucDomain: string;
  readonly focusJid: string;
  /** Bare JID the focus must have; null: the one the conference answer names. */
  readonly focusUserJid: string | null;
  readonly webSocketUrl: string;
  /** HTTP form of the conference request; null: ask by IQ. */
  readonly conferenceRequestUrl: string | null;
  readonly p2p: {
    readonly enabled: boolean;
    readonly stunServers: readonly string[];
    readonly backToP2pDelayMs: number;
    readonly iceTransportPolicy: "all" | "relay";
  };
  readonly preferSctp: boolean;
  readonly bridgeChannelIgnoreDomain: string | null;
  readonly iceTransportPolicy: "all" | "relay";
  /** First is preferred; simulcast is used with VP8. */
  readonly codecPreference: readonly VideoCodec[];
  readonly p2pCodecPreference: readonly VideoCodec[];
  /** Height of the camera asked for. */
  readonly resolutionPx: number;
  readonly screenShareFps: number;
  /** -1: no limit. */
  readonly lastN: number;
  readonly prejoinEnabled: boolean;
  readonly startWithAudioMuted: boolean;
  readonly startWithVideoMuted: boolean;
  readonly requireDisplayName: boolean;
  /** Joins without microphone. */
  readonly startSilent: boolean;
  readonly streamResumption: boolean;
  readonly displayName: string | null;
  readonly email: string | null;
  readonly avatarUrl: string | null;
  readonly jwt: string | null;
  /** `?login=true`: connect to `domain` even where guests have their own. */
  readonly login: boolean;
  /** Devices by label, from the address. */
  readonly deviceLabels: { readonly audioInput: string | null; readonly videoInput: string | null; readonly audioOutput: string | null };
}

export const VIDEO_CODECS = ["vp8", "vp9", "h264", "av1"] as const;
export type VideoCodec = (typeof VIDEO_CODECS)[number];

/** Keys an address may set. What decides where data goes (`hosts`, URLs, STUN hosts) is never among them. */
const OVERRIDABLE: readonly string[] = [
  "bridgeChannel.preferSctp",
  "channelLastN",
  "desktopSharingFrameRate.max",
  "enableWebsocketResume",
  "p2p.backToP2PDelay",
  "p2p.codecPreferenceOrder",
  "p2p.enabled",
  "p2p.iceTransportPolicy",
  "prejoinConfig.enabled",
  "prejoinPageEnabled",
  "requireDisplayName",
  "resolution",
  "startSilent",
  "startWithAudioMuted",
  "startWithVideoMuted",
  "videoQuality.codecPreferenceOrder",
  "webrtcIceTcpDisable",
  "webrtcIceUdpDisable",
];

/** Longest fragment read; longer ones are ignored whole. */
export const FRAGMENT_CHARACTERS_MAX = 8192;
const NAME_CHARACTERS_MAX = 128;

export interface AddressParts {
  readonly origin: string;
  readonly hostname: string;
  readonly hash: string;
  readonly search: string;
}

/** `raw` is the global that `/config.js` left, whatever it is. */
export function resolveConfig(raw: unknown, address: AddressParts): ClientConfig {
  const parameters = parseParameters(address);
  const tree: Tree = isTree(raw) ? { ...raw } : {};
  const overridden = applyOverrides(tree, parameters);
  const read = reader(overridden);

  const domain = read.text("hosts.domain") ?? address.hostname;
  const anonymousDomain = read.text("hosts.anonymousdomain");
  const codecs = read.codecs("videoQuality.codecPreferenceOrder") ?? ["vp8", "vp9", "h264", "av1"];
  return {
    domain,
    anonymousDomain,
    mucDomain: (read.text("hosts.muc") ?? `conference.${domain}`).toLowerCase(),
    focusJid: read.text("hosts.focus") ?? `focus.${domain}`,
    focusUserJid: read.text("focusUserJid"),
    webSocketUrl: webSocketUrl(read.text("websocket"), address.origin),
    conferenceRequestUrl: absoluteUrl(read.text("conferenceRequestUrl"), address.origin),
    p2p: {
      enabled: read.flag("p2p.enabled") ?? true,
      stunServers: read.urls("p2p.stunServers"),
      backToP2pDelayMs: Math.max(0, (read.number("p2p.backToP2PDelay") ?? 5) * 1000),
      iceTransportPolicy: policy(read.text("p2p.iceTransportPolicy")),
    },
    preferSctp: read.flag("bridgeChannel.preferSctp") ?? false,
    bridgeChannelIgnoreDomain: read.text("bridgeChannel.ignoreDomain"),
    iceTransportPolicy: policy(read.text("iceTransportPolicy")),
    codecPreference: codecs,
    p2pCodecPreference: read.codecs("p2p.codecPreferenceOrder") ?? codecs,
    resolutionPx: clamp(read.number("resolution") ?? 720, 90, 2160),
    screenShareFps: clamp(read.number("desktopSharingFrameRate.max") ?? 5, 1, 60),
    lastN: read.number("channelLastN") ?? -1,
    prejoinEnabled: read.flag("prejoinConfig.enabled") ?? read.flag("prejoinPageEnabled") ?? true,
    startWithAudioMuted: read.flag("startWithAudioMuted") ?? false,
    startWithVideoMuted: read.flag("startWithVideoMuted") ?? false,
    requireDisplayName: read.flag("requireDisplayName") ?? false,
    startSilent: read.flag("startSilent") ?? false,
    streamResumption: read.flag("enableWebsocketResume") ?? true,
    displayName: bounded(text(parameters.get("userInfo.displayName"))),
    email: bounded(text(parameters.get("userInfo.email"))),
    avatarUrl: httpsUrl(text(parameters.get("userInfo.avatarURL"))),
    jwt: text(parameters.get("jwt")),
    login: parameters.get("login") === true || parameters.get("login") === "true",
    deviceLabels: {
      audioInput: text(parameters.get("devices.audioInput")),
      videoInput: text(parameters.get("devices.videoInput")),
      audioOutput: text(parameters.get("devices.audioOutput")),
    },
  };
}

/**
 * Room name of a path as Jitsi normalises it: NFKC, lower case, percent-encoded, lower case again.
 * The encoded form is the node of the room's JID, percent signs included. Null when the path names no room.
 */
export function roomOfPath(pathname: string): string | null {
  const segments = pathname.split("/").filter((segment) => segment !== "");
  const last = segments.at(-1);
  if (last === undefined) return null;
  let decoded: string;
  try {
    decoded = decodeURIComponent(last);
  } catch {
    return null;
  }
  const cleaned = decoded.replace(/[:?#[\]@!$&'()*+,;=></"]/g, "");
  if (cleaned === "") return null;
  return encodeURIComponent(cleaned.normalize("NFKC").toLowerCase()).toLowerCase();
}

/** The room's name for people. */
export function roomTitle(room: string): string {
  try {
    return decodeURIComponent(room);
  } catch {
    return room;
  }
}

type Tree = { [key: string]: unknown };

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseParameters(address: AddressParts): ReadonlyMap<string, unknown> {
  const parameters = new Map<string, unknown>();
  const query = new URLSearchParams(address.search);
  for (const key of ["jwt", "login"]) {
    const value = query.get(key);
    if (value !== null) parameters.set(key, value);
  }
  const fragment = address.hash.replace(/^#/, "");
  if (fragment.length > FRAGMENT_CHARACTERS_MAX) return parameters;
  for (const part of fragment.split("&")) {
    const equals = part.indexOf("=");
    if (equals <= 0) continue;
    const key = part.slice(0, equals);
    if (key.split(".").some(isDangerousKey)) continue;
    const value = parseValue(part.slice(equals + 1), key === "jwt");
    if (value !== undefined) parameters.set(key, value);
  }
  return parameters;
}

function parseValue(encoded: string, verbatim: boolean): unknown {
  let decoded: string;
  try {
    decoded = decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
  if (verbatim) return decoded.replace(/^"|"$/g, "");
  try {
    // Text editors and messengers turn straight quotes into curly ones.
    return JSON.parse(decoded.replace(/[\u201C\u201D]/g, '"')) as unknown;
  } catch {
    return undefined;
  }
}

function isDangerousKey(key: string): boolean {
  return key === "__proto__" || key === "constructor" || key === "prototype";
}

function applyOverrides(tree: Tree, parameters: ReadonlyMap<string, unknown>): Tree {
  let result = tree;
  for (const [key, value] of parameters) {
    if (!key.startsWith("config.")) continue;
    const path = key.slice("config.".length);
    if (OVERRIDABLE.includes(path)) result = withPath(result, path.split("."), value);
  }
  return result;
}

function withPath(tree: Tree, path: readonly string[], value: unknown): Tree {
  const [head, ...rest] = path;
  if (head === undefined) return tree;
  if (rest.length === 0) return { ...tree, [head]: value };
  const child = tree[head];
  return { ...tree, [head]: withPath(isTree(child) ? child : {}, rest, value) };
}

function reader(tree: Tree) {
  const at = (path: string): unknown => path.split(".").reduce<unknown>((node, key) => (isTree(node) ? node[key] : undefined), tree);
  return {
    text: (path: string): string | null => text(at(path)),
    flag: (path: string): boolean | null => {
      const value = at(path);
      return typeof value === "boolean" ? value : null;
    },
    number: (path: string): number | null => {
      const value = at(path);
      return typeof value === "number" && Number.isFinite(value) ? value : null;
    },
    codecs: (path: string): readonly VideoCodec[] | null => {
      const value = at(path);
      if (!Array.isArray(value)) return null;
      const wanted = value.map((name) => String(name).toLowerCase());
      const known = wanted.filter((name): name is VideoCodec => VIDEO_CODECS.some((codec) => codec === name));
      return known.length > 0 ? known : null;
    },
    urls: (path: string): readonly string[] => {
      const value = at(path);
      if (!Array.isArray(value)) return [];
      return value
        .map((entry: unknown) => (isTree(entry) ? entry["urls"] : entry))
        .flat()
        .filter((url): url is string => typeof url === "string" && /^(stun|turns?):/.test(url));
    },
  };
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function bounded(value: string | null): string | null {
  return value === null ? null : value.slice(0, NAME_CHARACTERS_MAX);
}

function httpsUrl(value: string | null): string | null {
  return value !== null && value.startsWith("https://") ? value : null;
}

function policy(value: string | null): "all" | "relay" {
  return value === "relay" ? "relay" : "all";
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

function absoluteUrl(value: string | null, origin: string): string | null {
  return value === null ? null : new URL(value, origin).href;
}

function webSocketUrl(value: string | null, origin: string): string {
  const url = new URL(value ?? "/xmpp-websocket", origin);
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol === "http:") url.protocol = "ws:";
  return url.href;
}
