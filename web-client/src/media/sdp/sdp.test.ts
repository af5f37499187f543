import fc from "fast-check";
import { parse } from "sdp-transform";
import { describe, expect, it } from "vitest";
import { jingleFixture } from "../../../tests/unit/fixtures";
import { parseJingle } from "../../protocol/jingle";
import { preferCodecs, receiveOn, type ReceivedSource } from "../connection";
import { readCandidate, readLocalSdp } from "./local";
import { candidateLine, writeRemoteSdp, type RemoteMediaLine, type RemoteSessionModel } from "./remote";
import { addSimulcastLayers, primariesOf } from "./simulcast";

const LINES: readonly RemoteMediaLine[] = [
  { mid: "0", kind: "audio", direction: "recvonly", ssrcs: [], simulcastRids: [] },
  { mid: "1", kind: "video", direction: "recvonly", ssrcs: [], simulcastRids: ["1", "2", "3"] },
  { mid: "2", kind: "data", direction: "inactive", ssrcs: [], simulcastRids: [] },
];

function recordedModel(lines: readonly RemoteMediaLine[]): RemoteSessionModel {
  const offer = parseJingle(jingleFixture("jingle-session-initiate-ssrc-rewriting.xml"));
  if (offer?.action !== "session-initiate") throw new Error("not an offer");
  const [audio, video] = offer.contents;
  if (audio?.description == null || video?.description == null || audio.transport === null) throw new Error("incomplete offer");
  return {
    type: "offer",
    setup: "actpass",
    transport: audio.transport,
    audio: audio.description,
    video: preferCodecs(video.description, ["vp8"]),
    lines,
    sctpPort: 5000,
    version: 2,
  };
}

/** What Chromium answers before layers are added; shortened to the lines that matter. */
const CHROMIUM_ANSWER = [
  "v=0",
  "o=- 1 2 IN IP4 127.0.0.1",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0 1",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "c=IN IP4 0.0.0.0",
  "a=ice-ufrag:uFrg",
  "a=ice-pwd:pwdpwdpwdpwdpwdpwdpwdpwd",
  "a=fingerprint:sha-256 AA:BB",
  "a=setup:active",
  "a=mid:0",
  "a=sendonly",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 minptime=10;useinbandfec=1",
  "a=ssrc:10 cname:c",
  "m=video 9 UDP/TLS/RTP/SAVPF 100 96",
  "c=IN IP4 0.0.0.0",
  "a=ice-ufrag:uFrg",
  "a=ice-pwd:pwdpwdpwdpwdpwdpwdpwdpwd",
  "a=fingerprint:sha-256 AA:BB",
  "a=setup:active",
  "a=mid:1",
  "a=sendonly",
  "a=rtpmap:100 VP8/90000",
  "a=rtcp-fb:100 nack pli",
  "a=rtpmap:96 rtx/90000",
  "a=fmtp:96 apt=100",
  "a=ssrc-group:FID 20 21",
  "a=ssrc:20 cname:c",
  "a=ssrc:20 msid:- t",
  "a=ssrc:21 cname:c",
  "a=ssrc:21 msid:- t",
  "",
].join("\r\n");

describe("remote description", () => {
  it("is written from the recorded offer", () => {
    const lines = [...LINES, { mid: "3", kind: "video" as const, direction: "sendonly" as const, ssrcs: [1111, 2222], simulcastRids: [] }];
    expect(writeRemoteSdp(recordedModel(lines))).toMatchSnapshot();
  });

  it("leaves out identifications that belong to other descriptions", () => {
    expect(writeRemoteSdp(recordedModel(LINES))).not.toContain("sdes:mid");
  });

  it("puts the preferred codec first", () => {
    const video = parse(writeRemoteSdp(recordedModel(LINES))).media[1];
    expect(video?.payloads?.split(" ")[0]).toBe("100");
    expect(video?.rtp.find((rtp) => rtp.payload === 100)?.codec).toBe("VP8");
  });
});

describe("candidates", () => {
  it("are written as they are read", () => {
    const lines = [
      "candidate:1 1 udp 2130706431 10.99.0.1 10000 typ host generation 0",
      "candidate:2 1 udp 1677729535 203.0.113.9 4000 typ srflx raddr 0.0.0.0 rport 0 generation 0",
      "candidate:3 1 tcp 1518280447 10.99.0.1 9 typ host tcptype active generation 0",
      "candidate:4 1 udp 2122260223 1f0b.local 5000 typ host generation 0",
    ];
    for (const line of lines) {
      const candidate = readCandidate(line);
      expect(candidate === null ? null : candidateLine(candidate)).toBe(line);
    }
    expect(readCandidate("")).toBeNull();
  });
});

describe("simulcast", () => {
  it("gets two more layers, each with its retransmission, once", () => {
    let next = 100;
    const layered = addSimulcastLayers(CHROMIUM_ANSWER, "1", () => next++);
    const [audio, video] = readLocalSdp(layered).lines;
    expect(audio?.ssrcs).toEqual([10]);
    expect(video?.groups).toEqual([
      { semantics: "SIM", ssrcs: [20, 100, 102] },
      { semantics: "FID", ssrcs: [20, 21] },
      { semantics: "FID", ssrcs: [100, 101] },
      { semantics: "FID", ssrcs: [102, 103] },
    ]);
    expect(video === undefined ? [] : primariesOf(video)).toEqual([20, 100, 102]);
    expect(addSimulcastLayers(layered, "1", () => next++)).toBe(layered);
  });

  it("never takes an SSRC twice", () => {
    const drawn = [20, 0, 10, 21, 30, 30, 31, 32, 33];
    const layered = addSimulcastLayers(CHROMIUM_ANSWER.replace("a=ssrc:10", "a=ssrc:9"), "1", () => drawn.shift() ?? 999);
    const ssrcs = readLocalSdp(layered).lines[1]?.ssrcs ?? [];
    expect(new Set(ssrcs).size).toBe(ssrcs.length);
    expect(ssrcs).toHaveLength(6);
  });

  it("is left out where nothing is sent", () => {
    const without = CHROMIUM_ANSWER.replace(/a=ssrc.*\r\n/g, "");
    expect(addSimulcastLayers(without, "1", () => 5)).toBe(without);
  });
});

describe("receiving lines", () => {
  const source = fc.record({
    ssrc: fc.integer({ min: 1, max: 12 }),
    rtx: fc.constant(null),
    kind: fc.constantFrom("audio" as const, "video" as const),
  });
  const wishes = fc.array(fc.uniqueArray(source, { selector: (one) => one.ssrc, maxLength: 6 }), { maxLength: 12 });

  it("carry exactly what is wanted, keep their place, and grow no more than needed", () => {
    fc.assert(
      fc.property(wishes, (steps: readonly (readonly ReceivedSource[])[]) => {
        const kinds = new Map<number, "audio" | "video">();
        let lines = LINES;
        let mostAudio = 0;
        let mostVideo = 0;
        for (const step of steps) {
          // An SSRC belongs to one medium for good.
          const wanted = step.filter((one) => (kinds.get(one.ssrc) ?? one.kind) === one.kind);
          for (const one of wanted) kinds.set(one.ssrc, one.kind);
          const before = lines;
          lines = receiveOn(lines, wanted);
          const carried = lines.filter((line) => line.direction === "sendonly").map((line) => line.ssrcs[0]);
          expect(new Set(carried)).toEqual(new Set(wanted.map((one) => one.ssrc)));
          expect(carried).toHaveLength(wanted.length);
          lines.forEach((line, index) => {
            expect(line.mid).toBe(String(index));
            if (index < before.length) expect(line.kind).toBe(before[index]?.kind);
          });
          expect(receiveOn(lines, wanted)).toBe(lines);
          mostAudio = Math.max(mostAudio, wanted.filter((one) => one.kind === "audio").length);
          mostVideo = Math.max(mostVideo, wanted.filter((one) => one.kind === "video").length);
        }
        expect(lines.length).toBe(LINES.length + mostAudio + mostVideo);
      }),
    );
  });
});
