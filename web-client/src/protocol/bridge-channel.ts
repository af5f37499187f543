/** The JSON messages between a client and its bridge, told apart by `colibriClass`. */

import * as v from "valibot";
import { SSRC_MAX } from "./sources";

/** Longest message read; the bridge's own limit is of the same order. */
export const CHANNEL_MESSAGE_CHARACTERS_MAX = 256 * 1024;

const ssrc = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(SSRC_MAX));

const videoMapping = v.object({
  source: v.string(),
  owner: v.nullish(v.string(), null),
  ssrc,
  /** -1 or absent: no retransmission. */
  rtx: v.nullish(v.number(), -1),
  videoType: v.nullish(v.string(), null),
});
const audioMapping = v.object({ source: v.string(), owner: v.nullish(v.string(), null), ssrc });

const knownMessage = v.variant("colibriClass", [
  v.object({ colibriClass: v.literal("ServerHello"), version: v.optional(v.string()) }),
  v.object({ colibriClass: v.literal("VideoSourcesMap"), mappedSources: v.array(videoMapping) }),
  v.object({ colibriClass: v.literal("AudioSourcesMap"), mappedSources: v.array(audioMapping) }),
  v.object({ colibriClass: v.literal("ForwardedSources"), forwardedSources: v.array(v.string()) }),
  v.object({ colibriClass: v.literal("SenderSourceConstraints"), sourceName: v.string(), maxHeight: v.number() }),
  v.object({
    colibriClass: v.literal("DominantSpeakerEndpointChangeEvent"),
    dominantSpeakerEndpoint: v.string(),
    previousSpeakers: v.optional(v.array(v.string()), []),
    silence: v.optional(v.boolean(), false),
  }),
  v.object({
    colibriClass: v.literal("EndpointConnectivityStatusChangeEvent"),
    endpoint: v.string(),
    // COMPAT(jvb): a string, not a boolean.
    active: v.union([v.string(), v.boolean()]),
  }),
  v.object({ colibriClass: v.literal("ConnectionStats"), estimatedDownlinkBandwidth: v.number() }),
  v.looseObject({ colibriClass: v.literal("EndpointStats"), from: v.optional(v.string()) }),
  v.object({ colibriClass: v.literal("EndpointMessage"), from: v.optional(v.string()), to: v.optional(v.string()), msgPayload: v.unknown() }),
]);

export type BridgeMessage = v.InferOutput<typeof knownMessage> | { readonly colibriClass: "unknown"; readonly name: string };
export type VideoMapping = v.InferOutput<typeof videoMapping>;
export type AudioMapping = v.InferOutput<typeof audioMapping>;

/** Null when the text isn't such a message, or a known one with wrong fields. */
export function parseBridgeMessage(text: string): BridgeMessage | null {
  if (text.length > CHANNEL_MESSAGE_CHARACTERS_MAX) return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const result = v.safeParse(knownMessage, json);
  if (result.success) return result.output;
  const named = v.safeParse(v.object({ colibriClass: v.string() }), json);
  if (!named.success || isKnownClass(named.output.colibriClass)) return null;
  return { colibriClass: "unknown", name: named.output.colibriClass };
}

function isKnownClass(name: string): boolean {
  return knownMessage.options.some((option) => option.entries.colibriClass.literal === name);
}

/** What a client sends. */
export type ClientMessage =
  | { readonly colibriClass: "ClientHello" }
  | ReceiverVideoConstraints
  | { readonly colibriClass: "SourceVideoTypeMessage"; readonly sourceName: string; readonly videoType: "camera" | "desktop" | "none" }
  | { readonly colibriClass: "EndpointMessage"; readonly to: string; readonly msgPayload: unknown }
  | EndpointStats;

/** Each message replaces only the fields it carries. */
export interface ReceiverVideoConstraints {
  readonly colibriClass: "ReceiverVideoConstraints";
  readonly lastN?: number;
  readonly selectedSources?: readonly string[];
  readonly onStageSources?: readonly string[];
  readonly defaultConstraints?: { readonly maxHeight: number };
  readonly constraints?: Readonly<Record<string, { readonly maxHeight: number; readonly maxFrameRate?: number }>>;
}

export interface EndpointStats {
  readonly colibriClass: "EndpointStats";
  readonly bitrate: { readonly upload: number; readonly download: number };
  /** 0…100. */
  readonly connectionQuality: number;
  readonly jvbRTT: number;
  readonly maxEnabledResolution: number | null;
  readonly packetLoss: { readonly total: number; readonly download: number; readonly upload: number };
  readonly serverRegion: string | null;
}
