/** What browsers do differently, in one table. */

import type { VideoCodec } from "../config";
import { VIDEO_CODECS } from "../config";

export interface Capabilities {
  /** How simulcast is asked for: an SSRC group written into our description, or stream ids offered to the browser. */
  readonly simulcastBy: "ssrc-group" | "rid";
  readonly screenShare: boolean;
  readonly speakerChoice: boolean;
}

export function browserCapabilities(userAgent: string = navigator.userAgent): Capabilities {
  const firefox = /Firefox\//.test(userAgent);
  return {
    simulcastBy: firefox ? "rid" : "ssrc-group",
    screenShare: typeof navigator.mediaDevices?.getDisplayMedia === "function",
    speakerChoice: "setSinkId" in HTMLMediaElement.prototype,
  };
}

/** Codecs that can be received, in the wanted order; what `jitsi_participant_codecList` says. */
export function receivableCodecs(preference: readonly VideoCodec[]): readonly VideoCodec[] {
  const known = new Set(
    (RTCRtpReceiver.getCapabilities("video")?.codecs ?? []).map((codec) => codec.mimeType.toLowerCase().replace(/^video\//, "")),
  );
  const order = [...preference, ...VIDEO_CODECS.filter((codec) => !preference.includes(codec))];
  return order.filter((codec) => known.has(codec));
}

export function webRtcSupported(): boolean {
  return typeof RTCPeerConnection === "function" && typeof navigator.mediaDevices?.getUserMedia === "function";
}
