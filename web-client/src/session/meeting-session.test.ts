import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeConnection } from "../../tests/unit/fake-connection";
import { ScriptedServer, ScriptedSocket } from "../../tests/unit/scripted-server";
import { systemEnvironment, type Environment } from "../clock";
import { resolveConfig, type ClientConfig } from "../config";
import { LocalMedia } from "../media/local-media";
import { Signal } from "../reactive";
import { DISCONNECTED_MS_MAX } from "./bridge-session";
import { HANDOVER_MS } from "./media-plane";
import { MeetingSession, REJOIN_WINDOW_MS } from "./meeting-session";
import type { Notice } from "./meeting";

const ROOM = "tea@conference.meet.test";
const OWN = "1a2b3c4d";
const environment: Environment = { clock: systemEnvironment.clock, random: () => 0.5, online: () => true };

let server: ScriptedServer;
let connections: FakeConnection[];
let channels: ScriptedSocket[];
/** Password the room asks for. */
let roomPassword: string | null;
let focusReady: boolean;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
  server.install();
  connections = [];
  channels = [];
  roomPassword = null;
  focusReady = true;
  vi.stubGlobal("RTCRtpReceiver", { getCapabilities: () => ({ codecs: [{ mimeType: "video/VP8" }, { mimeType: "video/VP9" }] }) });
  vi.stubGlobal("MediaStream", class {});
  server.rules.push((frame, socket) => {
    if (socket.url.includes("/colibri-ws/")) {
      if (!channels.includes(socket)) channels.push(socket);
      return [];
    }
    const id = /^<iq[^>]* id="([^"]+)"/.exec(frame)?.[1];
    const to = /^<\w+[^>]* to="([^"]+)"/.exec(frame)?.[1] ?? "";
    if (frame.includes("http://jitsi.org/protocol/focus") && frame.includes("<conference")) {
      return [
        `<iq xmlns='jabber:client' type='result' id='${id ?? ""}' from='focus.meet.test'><conference xmlns='http://jitsi.org/protocol/focus' ready='${focusReady}' focusjid='focus@auth.meet.test'/></iq>`,
      ];
    }
    if (frame.startsWith("<presence") && frame.includes("http://jabber.org/protocol/muc")) {
      const given = /<password>([^<]*)</.exec(frame)?.[1] ?? null;
      if (roomPassword !== null && given !== roomPassword) {
        return [`<presence xmlns='jabber:client' type='error' from='${to}'><error type='auth'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`];
      }
      return [presence("focus", { jid: "focus@auth.meet.test/focus", affiliation: "owner" }), presence(OWN, { self: true })];
    }
    if (id !== undefined && (frame.includes('type="set"') || frame.includes('type="get"')) && !frame.includes("xmpp-bind")) {
      return [`<iq xmlns='jabber:client' type='result' id='${id}' from='${to}'/>`];
    }
    return null;
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function presence(nick: string, options: { self?: boolean; jid?: string; affiliation?: string; type?: string; status?: number; children?: string } = {}): string {
  const jid = options.jid ?? `${nick}-0000@meet.test/r`;
  const type = options.type === undefined ? "" : ` type='${options.type}'`;
  const statuses = [options.self === true ? 110 : 0, options.status ?? 0].filter((code) => code > 0).map((code) => `<status code='${code}'/>`);
  return `<presence xmlns='jabber:client' from='${ROOM}/${nick}'${type}>${options.children ?? ""}<x xmlns='http://jabber.org/protocol/muc#user'><item jid='${jid}' affiliation='${options.affiliation ?? "none"}' role='participant'/>${statuses.join("")}</x></presence>`;
}

function person(nick: string, muted = false): string {
  return presence(nick, {
    children: `<nick xmlns='http://jabber.org/protocol/nick'>${nick}</nick><SourceInfo>{"${nick}-a0":{"muted":${muted}},"${nick}-v0":{"muted":false}}</SourceInfo>`,
  });
}

function makeMeeting(config: Partial<ClientConfig> = {}): MeetingSession {
  const base = resolveConfig({ p2p: { enabled: false } }, { origin: "https://meet.test", hostname: "meet.test", hash: "", search: "" });
  const track = { readyState: "live", enabled: true, stop: () => undefined, addEventListener: () => undefined, getSettings: () => ({ height: 720 }) };
  const stream = { getTracks: () => [track], getVideoTracks: () => [track], getAudioTracks: () => [track] };
  const mediaDevices = {
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    enumerateDevices: () => Promise.resolve([]),
    getUserMedia: () => Promise.resolve(stream),
    getDisplayMedia: () => Promise.resolve(stream),
  } as unknown as MediaDevices;
  return new MeetingSession("tea", {
    config: { ...base, ...config },
    environment,
    capabilities: { simulcastBy: "ssrc-group", screenShare: true, speakerChoice: true },
    ownLevel: new Signal(0),
    localMedia: new LocalMedia(
      { heightPx: 720, screenFps: 5, labels: { audioInput: null, videoInput: null, audioOutput: null }, selection: { microphone: null, camera: null, speaker: null } },
      mediaDevices,
    ),
    makeConnection: (options) => {
      const connection = new FakeConnection(options);
      connections.push(connection);
      return connection;
    },
    capsVersion: () => Promise.resolve("ver"),
  });
}

async function joined(config: Partial<ClientConfig> = {}): Promise<MeetingSession> {
  const meeting = makeMeeting(config);
  void meeting.join({ displayName: "Ann" });
  await vi.advanceTimersByTimeAsync(500);
  expect(meeting.phase.get().kind).toBe("joined");
  return meeting;
}

/** The stream's socket, as the channels have others. */
function stream(): ScriptedSocket {
  const socket = server.sockets.filter((candidate) => candidate.url.includes("xmpp-websocket")).at(-1);
  if (socket === undefined) throw new Error("no stream");
  return socket;
}

async function deliver(...stanzas: readonly string[]): Promise<void> {
  for (const stanza of stanzas) stream().deliver(stanza);
  await vi.advanceTimersByTimeAsync(200);
}

function offer(sid: string): string {
  const transport = `<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='x' pwd='y'><web-socket xmlns='http://jitsi.org/protocol/colibri' url='wss://meet.test/colibri-ws/b/${sid}/${OWN}'/><fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AA</fingerprint></transport>`;
  const content = (media: string): string =>
    `<content name='${media}' creator='initiator'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='${media}'><payload-type id='100' name='VP8' clockrate='90000'/></description>${transport}</content>`;
  return `<iq xmlns='jabber:client' type='set' id='offer-${sid}' from='${ROOM}/focus'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='${sid}' initiator='focus@auth.meet.test/focus'>${content("audio")}${content("video")}<bridge-session xmlns='http://jitsi.org/protocol/focus' id='bs-${sid}'/></jingle></iq>`;
}

async function connectBridge(sid = "s1"): Promise<FakeConnection> {
  await deliver(offer(sid));
  const connection = connections.filter((candidate) => candidate.options.farSide === "bridge").at(-1);
  if (connection === undefined) throw new Error("no connection was made");
  connection.state.set("connected");
  await vi.advanceTimersByTimeAsync(50);
  return connection;
}

function channelSocket(): ScriptedSocket {
  const socket = server.sockets.filter((candidate) => candidate.url.includes("/colibri-ws/")).at(-1);
  if (socket === undefined) throw new Error("no channel");
  return socket;
}

describe("joining", () => {
  it("asks the focus, enters the room, says who it is", async () => {
    const meeting = await joined();
    expect(meeting.local.get()).toMatchObject({ id: OWN, displayName: "Ann" });
    const entering = stream().sent.find((frame) => frame.startsWith("<presence"));
    expect(entering).toContain(`to="${ROOM}/${OWN}"`);
    expect(entering).toContain("codecList>vp8,vp9<");
    expect(stream().sent.findIndex((frame) => frame.includes("<conference"))).toBeLessThan(stream().sent.findIndex((frame) => frame.startsWith("<presence")));
  });

  it("asks for the room's password and takes it", async () => {
    roomPassword = "open";
    const meeting = makeMeeting();
    void meeting.join({ displayName: "Ann" });
    await vi.advanceTimersByTimeAsync(500);
    expect(meeting.phase.get()).toEqual({ kind: "room-password-required", wrong: false });
    void meeting.join({ displayName: "Ann", roomPassword: "shut" });
    await vi.advanceTimersByTimeAsync(500);
    expect(meeting.phase.get()).toEqual({ kind: "room-password-required", wrong: true });
    void meeting.join({ displayName: "Ann", roomPassword: "open" });
    await vi.advanceTimersByTimeAsync(500);
    expect(meeting.phase.get().kind).toBe("joined");
  });

  it("tells the others of a camera that opened while the room was still answering", async () => {
    let answerNow = false;
    server.rules.unshift((frame) => (frame.startsWith("<presence") && frame.includes("http://jabber.org/protocol/muc") && !answerNow ? [] : null));
    const meeting = makeMeeting();
    void meeting.join({ displayName: "Ann" });
    await vi.advanceTimersByTimeAsync(500);
    const presences = (): string[] => stream().sent.filter((frame) => frame.startsWith("<presence"));
    expect(presences()).toHaveLength(1);
    expect(presences()[0]).toContain(`${OWN}-v0&quot;:{&quot;muted&quot;:true`);
    await meeting.setCamera(true);
    await vi.advanceTimersByTimeAsync(500);
    expect(presences()).toHaveLength(1);
    answerNow = true;
    await deliver(presence("focus", { jid: "focus@auth.meet.test/focus", affiliation: "owner" }), presence(OWN, { self: true }));
    await vi.advanceTimersByTimeAsync(500);
    expect(presences()).toHaveLength(2);
    expect(presences()[1]).not.toContain(`${OWN}-v0&quot;:{&quot;muted&quot;:true`);
  });

  it("waits for a focus that isn't ready", async () => {
    focusReady = false;
    const meeting = makeMeeting();
    void meeting.join({ displayName: "Ann" });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(meeting.phase.get().kind).toBe("joining");
    focusReady = true;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(meeting.phase.get().kind).toBe("joined");
  });

  it("ends with what went wrong when there is no server", async () => {
    server.refusing = true;
    const meeting = makeMeeting();
    void meeting.join({ displayName: "Ann" });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(meeting.phase.get()).toMatchObject({ kind: "ended", reason: { kind: "failed", error: { code: "connection-failed" } } });
  });
});

describe("media through the server", () => {
  it("accepts the offer, opens the channel, shows the mapped sources of those who are here", async () => {
    const meeting = await joined();
    await deliver(person("0000aaaa"));
    const connection = await connectBridge();
    expect(stream().sent.some((frame) => frame.includes('id="offer-s1"') && frame.includes('type="result"'))).toBe(true);
    const accept = stream().sent.find((frame) => frame.includes("session-accept"));
    expect(accept).toContain(`name="${OWN}-v0"`);
    expect(meeting.mediaPath.get()).toBe("server");
    const channel = channelSocket();
    expect(channel.sent.some((message) => message.includes("ReceiverVideoConstraints"))).toBe(true);
    channel.deliver('{"colibriClass":"VideoSourcesMap","mappedSources":[{"source":"0000aaaa-v0","owner":"0000aaaa","ssrc":5,"rtx":6,"videoType":"CAMERA"}]}');
    channel.deliver('{"colibriClass":"AudioSourcesMap","mappedSources":[{"source":"0000aaaa-a0","owner":"0000aaaa","ssrc":7}]}');
    channel.deliver('{"colibriClass":"SenderSourceConstraints","sourceName":"1a2b3c4d-v0","maxHeight":180}');
    channel.deliver('{"colibriClass":"DominantSpeakerEndpointChangeEvent","dominantSpeakerEndpoint":"0000aaaa"}');
    await vi.advanceTimersByTimeAsync(50);
    expect(connection.received.map((source) => source.ssrc)).toEqual([5, 7]);
    expect(connection.heights.get("camera")).toBe(180);
    expect(meeting.videoSources.get()).toMatchObject([{ name: "0000aaaa-v0", owner: "0000aaaa", kind: "camera", muted: false }]);
    expect(meeting.videoSources.get()[0]?.stream).not.toBeNull();
    expect(meeting.audioSources.get()).toHaveLength(1);
    expect(meeting.participants.get()).toMatchObject([{ id: "0000aaaa", dominant: true, audioMuted: false }]);
  });

  it("takes no offer from somebody who calls himself focus", async () => {
    const meeting = makeMeeting();
    server.rules.unshift((frame) => (frame.startsWith("<presence") && frame.includes("jabber.org/protocol/muc") ? [presence("focus", { jid: "mallory@meet.test/x" }), presence(OWN, { self: true })] : null));
    void meeting.join({ displayName: "Ann" });
    await vi.advanceTimersByTimeAsync(500);
    await deliver(offer("evil"));
    expect(connections).toHaveLength(0);
    expect(stream().sent.find((frame) => frame.includes('id="offer-evil"'))).toContain("forbidden");
  });

  it("asks for a new offer when the path fails, and takes it", async () => {
    const meeting = await joined();
    const first = await connectBridge("s1");
    first.state.set("failed");
    await vi.advanceTimersByTimeAsync(50);
    const restart = stream().sent.find((frame) => frame.includes("session-terminate"));
    expect(restart).toContain('restart="true"');
    expect(restart).toContain('id="bs-s1"');
    expect(first.closed).toBe(true);
    const second = await connectBridge("s2");
    expect(second).not.toBe(first);
    expect(meeting.mediaPath.get()).toBe("server");
  });

  it("asks sooner than the browser gives up, but not for a hiccup", async () => {
    await joined();
    const connection = await connectBridge("s1");
    const restarts = (): number => stream().sent.filter((frame) => frame.includes("session-terminate")).length;
    connection.state.set("disconnected");
    await vi.advanceTimersByTimeAsync(DISCONNECTED_MS_MAX - 100);
    connection.state.set("connected");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(restarts()).toBe(0);
    connection.state.set("disconnected");
    await vi.advanceTimersByTimeAsync(DISCONNECTED_MS_MAX + 100);
    expect(restarts()).toBe(1);
    expect(connection.closed).toBe(true);
  });

  it("signals the shared screen and takes it back", async () => {
    const meeting = await joined();
    await connectBridge();
    await meeting.shareScreen(true);
    await vi.advanceTimersByTimeAsync(300);
    expect(stream().sent.some((frame) => frame.includes("source-add") && frame.includes(`${OWN}-v1`) && frame.includes('videoType="desktop"'))).toBe(true);
    expect(stream().sent.filter((frame) => frame.startsWith("<presence")).at(-1)).toContain("desktop");
    await meeting.shareScreen(false);
    await vi.advanceTimersByTimeAsync(300);
    expect(stream().sent.some((frame) => frame.includes("source-remove"))).toBe(true);
    expect(stream().sent.filter((frame) => frame.startsWith("<presence")).at(-1)).not.toContain("desktop");
  });
});

describe("media directly", () => {
  const P2P = { enabled: true, stunServers: [], backToP2pDelayMs: 5_000, iceTransportPolicy: "all" as const };

  function peerConnections(): readonly FakeConnection[] {
    return connections.filter((connection) => connection.options.farSide === "peer");
  }

  function peerSid(): string {
    return /action="session-initiate"[^>]* sid="([^"]+)"/.exec(stream().sent.findLast((frame) => frame.includes("session-initiate")) ?? "")?.[1] ?? "";
  }

  function accept(nick: string, sid: string): string {
    const content = (name: string, media: string, ssrc: number, source: string): string =>
      `<content name='${name}' creator='initiator'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='${media}'><payload-type id='100' name='VP8' clockrate='90000'/><source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='${ssrc}' name='${source}'/></description><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='x' pwd='y'><fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='active'>AA</fingerprint></transport></content>`;
    return `<iq xmlns='jabber:client' type='set' id='acc' from='${ROOM}/${nick}'><jingle xmlns='urn:xmpp:jingle:1' action='session-accept' sid='${sid}'>${content("0", "audio", 31, `${nick}-a0`)}${content("1", "video", 32, `${nick}-v0`)}</jingle></iq>`;
  }

  async function direct(): Promise<{ meeting: MeetingSession; bridge: FakeConnection; peer: FakeConnection }> {
    const meeting = await joined({ p2p: P2P });
    await deliver(person("ffff0000"));
    const bridge = await connectBridge();
    await deliver(accept("ffff0000", peerSid()));
    const [peer] = peerConnections();
    if (peer === undefined) throw new Error("no direct connection was tried");
    peer.state.set("connected");
    await vi.advanceTimersByTimeAsync(50);
    return { meeting, bridge, peer };
  }

  it("is offered to the only other by the smaller id, and then the server gets nothing", async () => {
    const { meeting, bridge } = await direct();
    expect(meeting.mediaPath.get()).toBe("direct");
    expect(bridge.sending).toBe(false);
    expect(bridge.closed).toBe(false);
    expect(meeting.videoSources.get()[0]?.stream).not.toBeNull();
  });

  it("is left to the other when his id is smaller", async () => {
    await joined({ p2p: P2P });
    await deliver(person("00000000"));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(peerConnections()).toHaveLength(0);
  });

  it("gives way to the server when a third comes: the server has our media before the direct way ends", async () => {
    const { meeting, bridge, peer } = await direct();
    stream().deliver(person("eeee0000"));
    await vi.advanceTimersByTimeAsync(10);
    expect(bridge.sending).toBe(true);
    expect(peer.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(HANDOVER_MS);
    expect(peer.closed).toBe(true);
    expect(meeting.mediaPath.get()).toBe("server");
    expect(stream().sent.some((frame) => frame.includes("session-terminate") && frame.includes("Turning off P2P session"))).toBe(true);
  });

  it("comes back some seconds after the third has left", async () => {
    const { meeting, bridge } = await direct();
    await deliver(person("eeee0000"));
    await vi.advanceTimersByTimeAsync(HANDOVER_MS);
    await deliver(presence("eeee0000", { type: "unavailable" }));
    expect(peerConnections()).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(peerConnections()).toHaveLength(2);
    await deliver(accept("ffff0000", peerSid()));
    peerConnections()[1]?.state.set("connected");
    await vi.advanceTimersByTimeAsync(50);
    expect(meeting.mediaPath.get()).toBe("direct");
    expect(bridge.sending).toBe(false);
  });

  it("stays with the server when the direct way fails", async () => {
    const meeting = await joined({ p2p: P2P });
    await deliver(person("ffff0000"));
    await connectBridge();
    peerConnections()[0]?.state.set("failed");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(meeting.mediaPath.get()).toBe("server");
    expect(peerConnections()).toHaveLength(1);
  });

  it("is given up at once when the other has gone", async () => {
    const { peer, bridge } = await direct();
    await deliver(presence("ffff0000", { type: "unavailable" }));
    expect(peer.closed).toBe(true);
    expect(bridge.sending).toBe(true);
  });
});

describe("staying in the meeting", () => {
  it("keeps everything over a broken socket", async () => {
    const meeting = await joined();
    const connection = await connectBridge();
    await deliver(person("0000aaaa"));
    stream().fail();
    expect(meeting.phase.get().kind).toBe("reconnecting");
    meeting.sendChat("still here");
    await vi.advanceTimersByTimeAsync(3_000);
    expect(meeting.phase.get().kind).toBe("joined");
    expect(connection.closed).toBe(false);
    expect(meeting.participants.get()).toHaveLength(1);
    expect(stream().sent.some((frame) => frame.includes("still here"))).toBe(true);
  });

  it("enters anew when the server has forgotten us", async () => {
    const meeting = await joined();
    const first = await connectBridge();
    server.remembers = false;
    stream().fail();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(meeting.phase.get().kind).toBe("joined");
    expect(first.closed).toBe(true);
    const entries = server.sent.filter((frame) => frame.startsWith("<presence") && frame.includes("jabber.org/protocol/muc"));
    expect(entries).toHaveLength(2);
  });

  it("comes back after minutes without a server, and gives up at last", async () => {
    const meeting = await joined();
    server.resumable = false;
    server.refusing = true;
    server.remembers = false;
    stream().fail();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(meeting.phase.get().kind).toBe("reconnecting");
    server.refusing = false;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(meeting.phase.get().kind).toBe("joined");
    server.refusing = true;
    stream().fail();
    await vi.advanceTimersByTimeAsync(REJOIN_WINDOW_MS + 60_000 + 30_000);
    expect(meeting.phase.get()).toMatchObject({ kind: "ended", reason: { kind: "failed", error: { code: "connection-failed" } } });
  });

  it("asks for the focus again when it has gone", async () => {
    const meeting = await joined();
    const bridge = await connectBridge();
    const before = stream().sent.filter((frame) => frame.includes("<conference")).length;
    focusReady = false;
    await deliver(presence("focus", { type: "unavailable", jid: "focus@auth.meet.test/focus" }));
    expect(bridge.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(stream().sent.filter((frame) => frame.includes("<conference")).length).toBeGreaterThan(before);
    focusReady = true;
    await vi.advanceTimersByTimeAsync(3_000);
    await deliver(presence("focus", { jid: "focus@auth.meet.test/focus", affiliation: "owner" }));
    await connectBridge("s2");
    expect(meeting.mediaPath.get()).toBe("server");
  });

  it("does not go on trying after leaving", async () => {
    const meeting = await joined();
    await meeting.leave();
    expect(meeting.phase.get()).toEqual({ kind: "ended", reason: { kind: "left" } });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.sockets).toHaveLength(1);
    expect(stream().sent.some((frame) => frame.startsWith("<presence") && frame.includes('type="unavailable"'))).toBe(true);
  });
});

describe("what others do", () => {
  it("mutes us when the focus says so, and nobody else", async () => {
    const meeting = await joined();
    const notices: Notice[] = [];
    meeting.notices.subscribe((notice) => notices.push(notice));
    await deliver(presence("0000aaaa", { affiliation: "owner", children: "<nick xmlns='http://jabber.org/protocol/nick'>Mod</nick>" }));
    await meeting.setMicrophone(true);
    expect(meeting.local.get().microphone.on).toBe(true);
    const mute = (from: string): string =>
      `<iq xmlns='jabber:client' type='set' id='mute-${from}' from='${ROOM}/${from}'><mute xmlns='http://jitsi.org/jitmeet/audio' actor='${ROOM}/0000aaaa'>true</mute></iq>`;
    await deliver(mute("0000aaaa"));
    expect(meeting.local.get().microphone.on).toBe(true);
    await deliver(mute("focus"));
    expect(meeting.local.get().microphone.on).toBe(false);
    expect(notices).toContainEqual({ kind: "muted-by-moderator", media: "audio", by: "Mod" });
    expect(stream().sent.filter((frame) => frame.startsWith("<presence")).at(-1)).toContain(`{&quot;${OWN}-a0&quot;:{&quot;muted&quot;:true}`);
  });

  it("ends the meeting when we are thrown out", async () => {
    const meeting = await joined();
    await deliver(presence(OWN, { type: "unavailable", self: true, status: 307 }));
    expect(meeting.phase.get()).toMatchObject({ kind: "ended", reason: { kind: "kicked" } });
  });

  it("keeps what is said: the room's echo once, private ones apart, refused ones marked", async () => {
    const meeting = await joined();
    await deliver(person("0000aaaa"));
    meeting.sendChat("hello");
    const own = /id="([^"]+)"/.exec(stream().sent.findLast((frame) => frame.includes("hello")) ?? "")?.[1] ?? "";
    await deliver(
      `<message xmlns='jabber:client' type='groupchat' id='${own}' from='${ROOM}/${OWN}'><body>hello</body></message>`,
      `<message xmlns='jabber:client' type='chat' id='p1' from='${ROOM}/0000aaaa'><body>psst</body></message>`,
      `<message xmlns='jabber:client' type='groupchat' id='h1' from='${ROOM}/0000bbbb'><body>before</body><delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/></message>`,
    );
    expect(meeting.chat.get().map((message) => [message.text, message.mine, message.privateWith, message.fromHistory])).toEqual([
      ["hello", true, null, false],
      ["psst", false, "0000aaaa", false],
      ["before", false, null, true],
    ]);
    await deliver(`<message xmlns='jabber:client' type='error' id='${own}' from='${ROOM}'><body>hello</body><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`);
    expect(meeting.chat.get()[0]?.failed).toBe(true);
  });

  it("is not allowed to unmute under moderation until approved", async () => {
    const meeting = await joined();
    server.rules.unshift(() => null);
    await deliver("<message xmlns='jabber:client' from='meet.test'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='component' type='av_moderation' name='avmoderation.meet.test'/></query></message>");
    const moderation = (json: string): string =>
      `<message xmlns='jabber:client' from='avmoderation.meet.test'><json-message xmlns='http://jitsi.org/jitmeet'>${json}</json-message></message>`;
    await deliver(moderation('{"type":"av_moderation","enabled":true,"mediaType":"audio"}'));
    expect(meeting.local.get().audioForceMuted).toBe(true);
    await meeting.setMicrophone(true);
    expect(meeting.local.get().microphone.on).toBe(false);
    await deliver(moderation('{"type":"av_moderation","approved":true,"mediaType":"audio"}'));
    await meeting.setMicrophone(true);
    expect(meeting.local.get().microphone.on).toBe(true);
  });
});
