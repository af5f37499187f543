import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemEnvironment } from "../clock";
import { planEncodings } from "../media/encodings";
import { chooseWebSocket } from "./bridge-channel";
import { heightClass, receiverConstraints, Throttle } from "./receive-plan";
import { MAPPED_SOURCES_MAX, SourceMap } from "./source-map";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("receiver constraints", () => {
  it("name every visible source with the larger of its heights and nothing else", () => {
    const message = receiverConstraints(
      { stage: [{ name: "a-v0", heightPx: 900 }], tiles: [{ name: "a-v0", heightPx: 120 }, { name: "b-v0", heightPx: 181 }] },
      -1,
    );
    expect(message).toMatchObject({
      onStageSources: ["a-v0"],
      defaultConstraints: { maxHeight: 0 },
      constraints: { "a-v0": { maxHeight: 1080 }, "b-v0": { maxHeight: 360 } },
    });
  });

  it("rise with the height", () => {
    fc.assert(
      fc.property(fc.nat(4000), fc.nat(4000), (one, other) => {
        expect(heightClass(Math.min(one, other))).toBeLessThanOrEqual(heightClass(Math.max(one, other)));
      }),
    );
  });

  it("are sent at once, then at most once an interval, the last one always", () => {
    const sent: number[] = [];
    let current = 0;
    const throttle = new Throttle(systemEnvironment.clock, 150, () => sent.push(current));
    for (current = 1; current <= 5; current += 1) throttle.request();
    current = 5;
    expect(sent).toEqual([1]);
    vi.advanceTimersByTime(151);
    expect(sent).toEqual([1, 5]);
    vi.advanceTimersByTime(1000);
    expect(sent).toEqual([1, 5]);
  });
});

describe("encodings", () => {
  it("switch layers off above what is wanted, but never the lowest", () => {
    const plan = (maxHeightPx: number): readonly boolean[] =>
      planEncodings({ codec: "vp8", kind: "camera", layers: 3, heightPx: 720, maxHeightPx }).map((layer) => layer.active);
    expect(plan(-1)).toEqual([true, true, true]);
    expect(plan(720)).toEqual([true, true, true]);
    expect(plan(360)).toEqual([true, true, false]);
    expect(plan(180)).toEqual([true, false, false]);
    expect(plan(90)).toEqual([true, false, false]);
    expect(plan(0)).toEqual([false, false, false]);
  });

  it("scale a single stream down to what is wanted", () => {
    expect(planEncodings({ codec: "vp8", kind: "camera", layers: 1, heightPx: 720, maxHeightPx: 180 })).toEqual([
      { active: true, scaleResolutionDownBy: 4, maxBitrate: 200_000 },
    ]);
    expect(planEncodings({ codec: "vp8", kind: "desktop", layers: 1, heightPx: 1080, maxHeightPx: 180 })[0]).toMatchObject({ scaleResolutionDownBy: 1 });
  });
});

describe("source map", () => {
  it("gives an SSRC to another source without forgetting the track", () => {
    const map = new SourceMap();
    map.mapVideo([{ source: "a-v0", owner: "a", ssrc: 1, rtx: 2, videoType: "CAMERA" }]);
    map.mapVideo([{ source: "b-v0", owner: "b", ssrc: 1, rtx: -1, videoType: "camera" }]);
    expect(map.all).toEqual([{ name: "b-v0", owner: "b", kind: "video", ssrc: 1, rtx: null }]);
    expect(map.byName("a-v0")).toBeNull();
    map.mapVideo([{ source: "b-v0", owner: "b", ssrc: 9, rtx: -1, videoType: "camera" }]);
    expect(map.byName("b-v0")?.ssrc).toBe(9);
  });

  it("receives the first layer of a group with its retransmission, and never the bridge's own", () => {
    const map = new SourceMap();
    map.add({
      sources: [
        { ssrc: 1, kind: "video", name: "a-v0", owner: "a", msid: null, videoType: "camera" },
        { ssrc: 2, kind: "video", name: "a-v0", owner: "a", msid: null, videoType: "camera" },
        { ssrc: 3, kind: "video", name: "a-v0", owner: "a", msid: null, videoType: "camera" },
        { ssrc: 7, kind: "audio", name: "jvb-a0", owner: "jvb", msid: null, videoType: null },
      ],
      groups: [
        { kind: "video", semantics: "SIM", ssrcs: [1, 2] },
        { kind: "video", semantics: "FID", ssrcs: [1, 3] },
      ],
    });
    expect(map.all).toEqual([{ name: "a-v0", owner: "a", kind: "video", ssrc: 1, rtx: 3 }]);
  });

  it("has a bound", () => {
    const map = new SourceMap();
    map.mapAudio(Array.from({ length: MAPPED_SOURCES_MAX + 5 }, (_, index) => ({ source: `p${index}-a0`, owner: `p${index}`, ssrc: index + 1 })));
    expect(map.all).toHaveLength(MAPPED_SOURCES_MAX);
  });
});

describe("choice of the bridge channel", () => {
  it("prefers the WebSocket unless told otherwise", () => {
    const base = { webSockets: ["wss://a.test/colibri-ws/1", "wss://b.test/colibri-ws/1"], sctp: true, preferSctp: false, ignoreDomain: null };
    expect(chooseWebSocket(base)).toBe("wss://a.test/colibri-ws/1");
    expect(chooseWebSocket({ ...base, ignoreDomain: "a.test" })).toBe("wss://b.test/colibri-ws/1");
    expect(chooseWebSocket({ ...base, preferSctp: true })).toBeNull();
    expect(chooseWebSocket({ ...base, webSockets: [] })).toBeNull();
  });
});
