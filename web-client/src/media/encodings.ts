/** Layers, bit rates and heights of what we send. */

import type { VideoCodec } from "../config";

/** Factor by which each simulcast layer is smaller than the picture, low to high. */
const LAYER_SCALES = [4, 2, 1] as const;

/** kbit/s by height class. */
const BITRATES: Readonly<Record<VideoCodec, { readonly low: number; readonly standard: number; readonly high: number; readonly fullHd: number; readonly ultraHd: number; readonly screen: number }>> = {
  av1: { low: 100, standard: 300, high: 1000, fullHd: 2000, ultraHd: 4000, screen: 2500 },
  vp9: { low: 100, standard: 300, high: 1200, fullHd: 2500, ultraHd: 5000, screen: 2500 },
  vp8: { low: 200, standard: 500, high: 1500, fullHd: 3000, ultraHd: 6000, screen: 2500 },
  h264: { low: 400, standard: 800, high: 2000, fullHd: 4000, ultraHd: 8000, screen: 2500 },
};

export function maxBitrateBps(codec: VideoCodec, heightPx: number): number {
  const rates = BITRATES[codec];
  const kbps =
    heightPx >= 2160 ? rates.ultraHd : heightPx >= 1080 ? rates.fullHd : heightPx >= 720 ? rates.high : heightPx >= 360 ? rates.standard : rates.low;
  return kbps * 1000;
}

export interface EncodingPlan {
  readonly active: boolean;
  readonly scaleResolutionDownBy: number;
  readonly maxBitrate: number;
}

export interface SendSituation {
  readonly codec: VideoCodec;
  readonly kind: "camera" | "desktop";
  readonly layers: number;
  /** Height of the picture we have; 0 while there is none. */
  readonly heightPx: number;
  /** Largest anybody wants: 0 nothing, -1 no limit. */
  readonly maxHeightPx: number;
}

/** One entry per layer the sender has, low to high. */
export function planEncodings(situation: SendSituation): readonly EncodingPlan[] {
  const { codec, kind, layers, maxHeightPx } = situation;
  const heightPx = situation.heightPx > 0 ? situation.heightPx : 720;
  if (layers <= 1) {
    const limited = maxHeightPx > 0 && maxHeightPx < heightPx && kind === "camera";
    const scale = limited ? Math.max(1, heightPx / maxHeightPx) : 1;
    const bitrate = kind === "desktop" ? BITRATES[codec].screen * 1000 : maxBitrateBps(codec, heightPx / scale);
    return [{ active: maxHeightPx !== 0, scaleResolutionDownBy: scale, maxBitrate: bitrate }];
  }
  const scales = LAYER_SCALES.slice(LAYER_SCALES.length - layers);
  return scales.map((scale, index) => {
    const layerHeightPx = heightPx / scale;
    return {
      active: maxHeightPx !== 0 && (maxHeightPx < 0 || layerHeightPx <= maxHeightPx || index === 0),
      scaleResolutionDownBy: scale,
      maxBitrate: maxBitrateBps(codec, layerHeightPx),
    };
  });
}

/** Simulcast suits these; the others are sent as one stream. */
export function usesSimulcast(codec: VideoCodec): boolean {
  return codec === "vp8" || codec === "h264";
}
