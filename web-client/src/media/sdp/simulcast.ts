/**
 * COMPAT(chromium): with stream ids (RID) Chromium hides the SSRCs of the layers, yet Jingle must name them. It still
 * takes layers that the local description lists as an SSRC group, so they are written into it.
 */

import { parse, write } from "sdp-transform";

export const SIMULCAST_LAYERS = 3;

/** Adds two more layers (with retransmission where the first has it) to the m-line; unchanged when it has layers already or sends nothing. */
export function addSimulcastLayers(sdp: string, mid: string, newSsrc: () => number): string {
  const session = parse(sdp);
  const media = session.media.find((candidate) => String(candidate.mid) === mid);
  const ssrcs = media?.ssrcs ?? [];
  const [first] = ssrcs;
  if (media === undefined || first === undefined) return sdp;
  const groups = media.ssrcGroups ?? [];
  if (groups.some((group) => group.semantics === "SIM")) return sdp;
  const primary = Number(first.id);
  const hasRetransmission = groups.some((group) => group.semantics === "FID");
  const attributes = ssrcs.filter((ssrc) => Number(ssrc.id) === primary);
  const layers = [primary];
  const taken = new Set(ssrcs.map((ssrc) => Number(ssrc.id)));
  const fresh = (): number => {
    let ssrc = newSsrc();
    while (ssrc === 0 || taken.has(ssrc)) ssrc = newSsrc();
    taken.add(ssrc);
    return ssrc;
  };
  const copyFor = (ssrc: number): void => {
    for (const attribute of attributes) ssrcs.push({ ...attribute, id: ssrc });
  };
  while (layers.length < SIMULCAST_LAYERS) {
    const layer = fresh();
    layers.push(layer);
    copyFor(layer);
    if (hasRetransmission) {
      const retransmission = fresh();
      copyFor(retransmission);
      groups.push({ semantics: "FID", ssrcs: `${layer} ${retransmission}` });
    }
  }
  groups.unshift({ semantics: "SIM", ssrcs: layers.join(" ") });
  media.ssrcs = ssrcs;
  media.ssrcGroups = groups;
  return write(session);
}

/** Layers of a line that lists SSRCs of several encodings but no group for them, as Firefox does: primaries in order. */
export function primariesOf(line: { readonly ssrcs: readonly number[]; readonly groups: readonly { readonly semantics: string; readonly ssrcs: readonly number[] }[] }): readonly number[] {
  const retransmissions = new Set(line.groups.filter((group) => group.semantics === "FID").flatMap((group) => group.ssrcs.slice(1)));
  return line.ssrcs.filter((ssrc) => !retransmissions.has(ssrc));
}
