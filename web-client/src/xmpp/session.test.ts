import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ScriptedServer } from "../../tests/unit/scripted-server";
import type { Environment } from "../clock";
import { ClientError } from "../errors";
import { NS } from "../protocol/ns";
import { StanzaError } from "../protocol/stanza-error";
import { xml } from "../protocol/xml";
import { RESUME_WINDOW_MS, XmppSession, type SessionOptions } from "./session";

const OPTIONS: SessionOptions = {
  webSocketUrl: "wss://meet.test/xmpp-websocket",
  domain: "meet.test",
  credentials: null,
  query: { room: "tea" },
  resumption: true,
};

const environment: Environment = {
  clock: {
    now: () => Date.now(),
    after(delayMs, action) {
      const timer = setTimeout(action, delayMs);
      return () => {
        clearTimeout(timer);
      };
    },
  },
  random: () => 0.5,
  online: () => true,
};

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
  server.install();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function connect(options: SessionOptions = OPTIONS): Promise<XmppSession> {
  const connecting = XmppSession.connect(options, environment);
  connecting.catch(() => undefined);
  await vi.advanceTimersByTimeAsync(200);
  return connecting;
}

describe("login", () => {
  it("logs in as a guest and binds an address", async () => {
    const session = await connect();
    expect(session.jid).toBe("1a2b3c4d-0000-4000-8000-000000000000@meet.test/r1");
    expect(server.last.url).toBe("wss://meet.test/xmpp-websocket?room=tea");
    expect(server.sent.some((frame) => frame.startsWith("<auth") && frame.includes("ANONYMOUS"))).toBe(true);
  });

  it("tells a wrong password from a broken network", async () => {
    server.mechanisms = ["PLAIN"];
    await expect(connect({ ...OPTIONS, credentials: { username: "ann", password: "wrong" } })).rejects.toMatchObject({ code: "wrong-credentials" });
    server.refusing = true;
    await expect(connect()).rejects.toMatchObject({ code: "connection-failed" });
  });

  it("never falls back to a guest login when a member signs in", async () => {
    server.mechanisms = ["ANONYMOUS"];
    await expect(connect({ ...OPTIONS, credentials: { username: "ann", password: "secret" } })).rejects.toBeInstanceOf(ClientError);
    expect(server.sent.some((frame) => frame.startsWith("<auth"))).toBe(false);
  });
});

describe("requests", () => {
  it("resolves with the answer of the asked party only", async () => {
    const session = await connect();
    const asked = session.request("get", "focus.meet.test", xml("query", NS.discoInfo));
    await vi.advanceTimersByTimeAsync(5);
    const id = /id="([^"]+)"/.exec(server.last.sent.at(-1) ?? "")?.[1] ?? "";
    server.last.deliver(`<iq xmlns='jabber:client' type='result' id='${id}' from='mallory@meet.test/x'><query xmlns='${NS.discoInfo}' node='forged'/></iq>`);
    server.last.deliver(`<iq xmlns='jabber:client' type='result' id='${id}' from='focus.meet.test'><query xmlns='${NS.discoInfo}' node='true'/></iq>`);
    expect((await asked).child("query")?.attr("node")).toBe("true");
  });

  it("rejects with the stanza error, and after its time with request-timeout", async () => {
    const session = await connect();
    server.rules.push((frame) => {
      const id = /id="([^"]+)"/.exec(frame)?.[1];
      if (!frame.includes("jabber:iq:register")) return null;
      return [`<iq xmlns='jabber:client' type='error' id='${id ?? ""}' from='meet.test'><error type='cancel'><not-allowed xmlns='${NS.stanzas}'/></error></iq>`];
    });
    const refused = session.request("set", "meet.test", xml("query", NS.register)).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(5);
    const error = await refused;
    expect(error).toBeInstanceOf(StanzaError);
    expect((error as StanzaError).condition).toBe("not-allowed");
    const silent = session.request("get", "silent.meet.test", xml("query", NS.discoInfo)).catch((reason: unknown) => reason);
    await vi.advanceTimersByTimeAsync(10_001);
    expect(await silent).toMatchObject({ code: "request-timeout" });
  });

  it("answers questions nobody serves with service-unavailable and pings with a result", async () => {
    await connect();
    server.last.deliver("<iq xmlns='jabber:client' type='get' id='q1' from='x@meet.test/y'><query xmlns='jabber:iq:version'/></iq>");
    server.last.deliver("<iq xmlns='jabber:client' type='get' id='q2' from='meet.test'><ping xmlns='urn:xmpp:ping'/></iq>");
    await vi.advanceTimersByTimeAsync(5);
    expect(server.last.sent.find((frame) => frame.includes('id="q1"'))).toContain("service-unavailable");
    expect(server.last.sent.find((frame) => frame.includes('id="q2"'))).toContain('type="result"');
  });
});

describe("resumption", () => {
  it("resumes with previd after the socket broke and sends what was said meanwhile, in order", async () => {
    const session = await connect();
    await vi.advanceTimersByTimeAsync(20);
    server.last.fail();
    expect(session.state.get().kind).toBe("resuming");
    session.send(xml("message", NS.client, { to: "tea@conference.meet.test", id: "m1" }));
    session.send(xml("message", NS.client, { to: "tea@conference.meet.test", id: "m2" }));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(session.state.get().kind).toBe("connected");
    expect(server.sockets).toHaveLength(2);
    expect(new URL(server.last.url).searchParams.get("previd")).toBe("sm-1");
    const sent = server.last.sent.join("\n");
    expect(sent).toContain("<resume");
    expect(sent.indexOf("m1")).toBeGreaterThan(sent.indexOf("<resume"));
    expect(sent.indexOf("m2")).toBeGreaterThan(sent.indexOf("m1"));
    expect(session.jid).toBe("1a2b3c4d-0000-4000-8000-000000000000@meet.test/r1");
  });

  it("is lost, not silently new, when the server has forgotten it", async () => {
    const session = await connect();
    await vi.advanceTimersByTimeAsync(20);
    server.remembers = false;
    const pending = session.request("get", "focus.meet.test", xml("query", NS.discoInfo)).catch((error: unknown) => error);
    server.last.fail();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(session.state.get()).toMatchObject({ kind: "lost" });
    expect(await pending).toMatchObject({ code: "connection-lost" });
  });

  it("gives up after the server's memory must have ended", async () => {
    const session = await connect();
    await vi.advanceTimersByTimeAsync(20);
    server.refusing = true;
    server.last.fail();
    await vi.advanceTimersByTimeAsync(RESUME_WINDOW_MS - 10_000);
    expect(session.state.get().kind).toBe("resuming");
    await vi.advanceTimersByTimeAsync(20_000);
    expect(session.state.get().kind).toBe("lost");
  });

  it("notices a dead socket by its pings", async () => {
    const session = await connect();
    server.rules.push((frame) => (frame.includes("urn:xmpp:ping") ? [] : null));
    await vi.advanceTimersByTimeAsync(31_000);
    expect(session.state.get().kind).toBe("connected");
    expect(server.sockets).toHaveLength(2);
  });
});
