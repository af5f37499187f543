import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixture, fixtureText, jingleFixture, parseXml } from "../../tests/unit/fixtures";
import { CHANNEL_MESSAGE_CHARACTERS_MAX, parseBridgeMessage } from "./bridge-channel";
import { parseConferenceElement, parseConferenceJson } from "./conference-request";
import { parseExternalServices } from "./disco";
import { CANDIDATES_MAX, descriptionElements, jingleElement, parseJingle } from "./jingle";
import { NS } from "./ns";
import { ownPresence, parseRoomPresence, SOURCE_INFO_ENTRIES_MAX } from "./presence";
import { parseMute, parseServiceMessage } from "./room";
import { parseJsonSources, parseSsrc } from "./sources";
import { parseStanzaError } from "./stanza-error";
import { escapeXml, xml } from "./xml";

describe("xml", () => {
  it("reads back what it writes, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), (text, value) => {
        const back = parseXml(xml("m", "urn:x", { value }, xml("body", "urn:x", {}, text)).toString());
        const plain = (raw: string): string => raw.replace(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, "").replace(/\r\n?/g, "\n");
        expect(back.child("body")?.text).toBe(plain(text).replace(/[\uD800-\uDFFF]/gu, ""));
        expect(back.attr("value")?.replace(/[\t\n]/g, " ")).toBe(plain(value).replace(/[\t\n]/g, " "));
      }),
    );
  });

  it("drops characters that would end the stream", () => {
    expect(escapeXml("a\u0000b\u000Bc\uD800d<")).toBe("abcd&lt;");
  });
});

describe("Jingle", () => {
  it("reads the offer of the focus", () => {
    const jingle = parseJingle(jingleFixture("jingle-session-initiate-ssrc-rewriting.xml"));
    if (jingle?.action !== "session-initiate") throw new Error("not an offer");
    expect(jingle.contents.map((content) => content.name)).toEqual(["audio", "video"]);
    expect(jingle.bundle).toEqual(["audio", "video"]);
    const [audio, video] = jingle.contents;
    expect(audio?.description?.payloadTypes[0]).toMatchObject({ id: 111, name: "opus", clockrate: 48000, channels: 2 });
    expect(video?.description?.payloadTypes.map((payload) => payload.name)).toContain("VP8");
    expect(audio?.transport?.fingerprint?.setup).toBe("actpass");
    expect(audio?.transport?.candidates[0]).toMatchObject({ port: 10000, type: "host", protocol: "udp" });
    expect(audio?.transport?.webSockets[0]).toContain("/colibri-ws/");
    expect(jingle.sources.sources.map((source) => source.owner)).toEqual(["jvb", "jvb"]);
    expect(jingle.bridgeSession?.id).not.toBeNull();
  });

  it("reads sources in XML with their groups and owners", () => {
    const jingle = parseJingle(jingleFixture("jingle-session-initiate-xml-sources.xml"));
    if (jingle?.action !== "session-initiate") throw new Error("not an offer");
    expect(jingle.sources.sources.length).toBeGreaterThan(0);
    const added = parseJingle(jingleFixture("jingle-source-add-xml.xml"));
    if (added?.action !== "source-add") throw new Error("not a source-add");
    expect(added.sources.sources.length).toBeGreaterThan(0);
    expect(added.sources.sources.every((source) => source.owner !== null)).toBe(true);
  });

  it("reads every recorded action", () => {
    expect(parseJingle(jingleFixture("jingle-p2p-session-initiate.xml"))?.action).toBe("session-initiate");
    expect(parseJingle(jingleFixture("jingle-p2p-session-accept.xml"))?.action).toBe("session-accept");
    const info = parseJingle(jingleFixture("jingle-p2p-transport-info.xml"));
    if (info?.action !== "transport-info") throw new Error("not a transport-info");
    expect(info.contents[0]?.transport?.candidates.length).toBeGreaterThan(0);
    expect(parseJingle(jingleFixture("jingle-p2p-content-modify.xml"))?.action).toBe("content-modify");
    const modify = parseJingle(
      parseXml(
        `<jingle xmlns='${NS.jingle}' sid='s' action='content-modify'><content name='video' senders='both'><source-frame-height xmlns='${NS.jitsiVideo}' sourceName='a-v0' maxHeight='720'/></content></jingle>`,
      ),
    );
    if (modify?.action !== "content-modify") throw new Error("not a content-modify");
    expect(modify.contents[0]?.frameHeights).toEqual([{ sourceName: "a-v0", maxHeight: 720 }]);
    const end = parseJingle(jingleFixture("jingle-focus-session-terminate.xml"));
    expect(end?.action).toBe("session-terminate");
  });

  it("writes a description that reads back the same", () => {
    const accept = parseJingle(jingleFixture("jingle-session-accept.xml"));
    if (accept?.action !== "session-accept") throw new Error("not an accept");
    const written = jingleElement("session-accept", { sid: accept.sid, initiator: "f" }, ...descriptionElements(accept, "responder"));
    const back = parseJingle(parseXml(written.toString()));
    if (back?.action !== "session-accept") throw new Error("not an accept");
    expect(back.sources).toEqual(accept.sources);
    expect(back.contents.map((content) => content.description)).toEqual(accept.contents.map((content) => content.description));
  });

  it("takes no more candidates than its bound and refuses nonsense", () => {
    const candidate = "<candidate ip='127.0.0.1' port='1' priority='1'/>";
    const many = `<jingle xmlns='${NS.jingle}' sid='s' action='transport-info'><content name='0'><transport xmlns='${NS.jingleIceUdp}'>${candidate.repeat(CANDIDATES_MAX + 5)}<candidate ip='1.1.1.1 evil' port='1' priority='1'/></transport></content></jingle>`;
    const jingle = parseJingle(parseXml(many));
    if (jingle?.action !== "transport-info") throw new Error("not a transport-info");
    expect(jingle.contents[0]?.transport?.candidates).toHaveLength(CANDIDATES_MAX);
    expect(parseJingle(parseXml(`<jingle xmlns='${NS.jingle}' action='session-info'/>`))).toBeNull();
  });
});

describe("sources", () => {
  it("reads the compact form with arrays left out at its end", () => {
    const set = parseJsonSources('{"sources":{"ab12cd34":[[{"s":1,"n":"ab12cd34-v0"},{"s":"2","n":"ab12cd34-v1","v":"d"},{"s":3}],[["f",1,3]]]}}');
    expect(set?.sources.map((source) => [source.ssrc, source.videoType])).toEqual([
      [1, "camera"],
      [2, "desktop"],
      [3, "camera"],
    ]);
    expect(set?.groups).toEqual([{ kind: "video", semantics: "FID", ssrcs: [1, 3] }]);
  });

  it("never throws, whatever comes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        parseJsonSources(text);
        parseJsonSources(`{"sources":{"a":${text}}}`);
        parseBridgeMessage(text);
      }),
    );
  });

  it("takes SSRCs of 32 bits only", () => {
    expect(parseSsrc("4294967295")).toBe(4294967295);
    expect(parseSsrc("4294967296")).toBeNull();
    expect(parseSsrc(0)).toBeNull();
    expect(parseSsrc("12x")).toBeNull();
  });
});

describe("bridge channel", () => {
  it("reads every recorded message", () => {
    const lines = fixtureText("bridge-channel.jsonl").split("\n").filter((line) => line.trim() !== "");
    expect(lines.length).toBeGreaterThan(5);
    for (const line of lines) {
      const json = JSON.parse(line) as { colibriClass?: string; data?: string };
      const text = json.data ?? line;
      expect(parseBridgeMessage(text), text).not.toBeNull();
    }
  });

  it("keeps unknown classes apart from broken known ones", () => {
    expect(parseBridgeMessage('{"colibriClass":"SomethingNew","x":1}')).toEqual({ colibriClass: "unknown", name: "SomethingNew" });
    expect(parseBridgeMessage('{"colibriClass":"SenderSourceConstraints","sourceName":5}')).toBeNull();
    expect(parseBridgeMessage(`"${"x".repeat(CHANNEL_MESSAGE_CHARACTERS_MAX)}"`)).toBeNull();
  });
});

describe("presence", () => {
  it("reads a participant", () => {
    const presence = parseRoomPresence(fixture("presence-participant.xml"));
    if (presence?.kind !== "available") throw new Error("not available");
    expect(presence.occupant.displayName).not.toBeNull();
    expect(presence.occupant.codecList).toContain("vp8");
  });

  it("reads what the focus says of the conference", () => {
    const presence = parseRoomPresence(parseXml(fixtureText("presence-focus.xml").replace("<presence", "<presence from='tea@conference.meet.test/focus'")));
    if (presence?.kind !== "available") throw new Error("not available");
    expect(presence.occupant.nick).toBe("focus");
    expect(presence.occupant.conferenceProperties["support-terminate-restart"]).toBe("true");
  });

  it("believes nobody about another's sources, and not without bound", () => {
    const many = Object.fromEntries(Array.from({ length: SOURCE_INFO_ENTRIES_MAX + 10 }, (_, index) => [`ann-v${index}`, { muted: false }]));
    const stanza = (info: unknown): string =>
      xml("presence", NS.client, { from: "tea@conference.meet.test/ann" }, xml("SourceInfo", NS.client, {}, JSON.stringify(info))).toString();
    const forged = parseRoomPresence(parseXml(stanza({ "bob-a0": { muted: true }, "ann-a0": { muted: true } })));
    expect(forged?.kind === "available" && Object.keys(forged.occupant.sourceInfo)).toEqual(["ann-a0"]);
    const bounded = parseRoomPresence(parseXml(stanza(many)));
    expect(bounded?.kind === "available" && Object.keys(bounded.occupant.sourceInfo)).toHaveLength(SOURCE_INFO_ENTRIES_MAX);
  });

  it("writes our own as others read it", () => {
    const own = ownPresence(
      "tea@conference.meet.test/1a2b3c4d",
      {
        displayName: "Ann & Bob",
        statsId: "s",
        capsVersion: "v",
        sourceInfo: { "1a2b3c4d-a0": { muted: true, videoType: "camera" }, "1a2b3c4d-v1": { muted: false, videoType: "desktop" } },
        codecList: ["vp8", "vp9"],
        raisedHandAt: 1234,
        avatarUrl: null,
        email: null,
      },
      { password: "p<w", billingId: null },
    );
    const written = parseXml(own.toString());
    expect(written.child("x", NS.muc)?.child("password")?.text).toBe("p<w");
    expect(written.child("SourceInfo")?.text).toBe('{"1a2b3c4d-a0":{"muted":true},"1a2b3c4d-v1":{"muted":false,"videoType":"desktop"}}');
    const back = parseRoomPresence(parseXml(own.toString().replace(' to="', ' from="')));
    expect(back?.kind === "available" && back.occupant).toMatchObject({ displayName: "Ann & Bob", raisedHandAt: 1234, codecList: ["vp8", "vp9"] });
  });
});

describe("room", () => {
  it("reads mute, moderation and metadata as recorded", () => {
    expect(parseMute(fixture("mute-notice.xml"))).toMatchObject({ media: "audio" });
    expect(parseServiceMessage(fixture("message-room-metadata.xml"))?.type).toBe("room_metadata");
    expect(parseServiceMessage(fixture("message-av-moderation.xml"))?.type).toBe("av_moderation");
  });

  it("reads both forms of the conference answer", () => {
    expect(parseConferenceElement(fixture("conference-request-answer.xml"))).toMatchObject({ ready: true });
    expect(parseConferenceJson(JSON.parse(fixtureText("http-conference-request.response.json")))).toMatchObject({ ready: true });
    expect(parseConferenceJson({ ready: "yes" })).toBeNull();
  });

  it("reads the condition and the details of an error", () => {
    const error = parseStanzaError(
      parseXml(
        `<presence xmlns='jabber:client' type='error'><error type='auth'><registration-required xmlns='${NS.stanzas}'/></error><lobbyroom>tea@lobby.meet.test</lobbyroom></presence>`,
      ),
    );
    expect(error.condition).toBe("registration-required");
    expect(error.detail("lobbyroom")?.text).toBe("tea@lobby.meet.test");
  });

  it("reads relays with their transport", () => {
    const services = parseXml(
      "<services xmlns='urn:xmpp:extdisco:2'><service type='turns' host='::1' port='443' transport='tcp' username='u' password='p'/><service type='sip' host='x'/></services>",
    );
    expect(parseExternalServices(services)).toEqual([{ urls: "turns:[::1]:443?transport=tcp", username: "u", credential: "p" }]);
  });
});
