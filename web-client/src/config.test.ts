import { describe, expect, it } from "vitest";
import { FRAGMENT_CHARACTERS_MAX, resolveConfig, roomOfPath, type AddressParts } from "./config";

function address(hash: string, search = ""): AddressParts {
  return { origin: "https://meet.test:8443", hostname: "meet.test", hash, search };
}

describe("config", () => {
  it("needs nothing but the address", () => {
    const config = resolveConfig(undefined, address(""));
    expect(config).toMatchObject({
      domain: "meet.test",
      mucDomain: "conference.meet.test",
      focusJid: "focus.meet.test",
      webSocketUrl: "wss://meet.test:8443/xmpp-websocket",
      prejoinEnabled: true,
      p2p: { enabled: true, stunServers: [] },
    });
  });

  it("takes Jitsi's parameters from the fragment", () => {
    const config = resolveConfig(
      { p2p: { enabled: true, stunServers: [{ urls: "stun:own.test:3478" }] } },
      address('#config.prejoinConfig.enabled=false&config.p2p.enabled=false&userInfo.displayName="Ann%20B"&jwt=a.b.c&config.startWithAudioMuted=true'),
    );
    expect(config.prejoinEnabled).toBe(false);
    expect(config.p2p).toMatchObject({ enabled: false, stunServers: ["stun:own.test:3478"] });
    expect(config.displayName).toBe("Ann B");
    expect(config.jwt).toBe("a.b.c");
    expect(config.startWithAudioMuted).toBe(true);
  });

  it("repairs curly quotes", () => {
    expect(resolveConfig({}, address("#userInfo.displayName=%E2%80%9CAnn%E2%80%9D")).displayName).toBe("Ann");
  });

  it("lets no address decide where data goes", () => {
    const config = resolveConfig(
      { hosts: { domain: "meet.test" } },
      address('#config.hosts.domain="evil.test"&config.websocket="wss://evil.test"&config.p2p.stunServers=[{"urls":"stun:evil.test"}]&config.__proto__.polluted=true'),
    );
    expect(config.domain).toBe("meet.test");
    expect(config.webSocketUrl).toBe("wss://meet.test:8443/xmpp-websocket");
    expect(config.p2p.stunServers).toEqual([]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("ignores values that are not JSON and fragments without end", () => {
    expect(resolveConfig({}, address("#config.p2p.enabled=nope&userInfo.displayName=Ann")).p2p.enabled).toBe(true);
    expect(resolveConfig({}, address(`#userInfo.displayName="${"x".repeat(FRAGMENT_CHARACTERS_MAX)}"`)).displayName).toBeNull();
  });
});

describe("room of a path", () => {
  it("normalises as Jitsi does", () => {
    expect(roomOfPath("/Tea%20Time")).toBe("tea%20time");
    expect(roomOfPath("/Фоо")).toBe("%d1%84%d0%be%d0%be");
    expect(roomOfPath("/tenant/Room")).toBe("room");
    expect(roomOfPath("/a'b&c")).toBe("abc");
    expect(roomOfPath("/ﬁ")).toBe("fi");
    expect(roomOfPath("/")).toBeNull();
    expect(roomOfPath("/%E0%A4%A")).toBeNull();
  });
});
