import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ScriptedServer } from "../../tests/unit/scripted-server";
import { systemEnvironment } from "../clock";
import { resolveConfig } from "../config";
import { AccountSession } from "./account-session";

const config = resolveConfig({}, { origin: "https://meet.test", hostname: "meet.test", hash: "", search: "" });

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
  server.mechanisms = ["PLAIN"];
  server.install();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Answers registration requests with the condition, or well when it is null. */
function register(condition: string | null): void {
  server.rules.push((frame) => {
    const id = /id="([^"]+)"/.exec(frame)?.[1] ?? "";
    if (!frame.includes("jabber:iq:register") || !frame.includes('type="set"')) return null;
    if (condition === null) {
      server.password = /<password>([^<]*)</.exec(frame)?.[1] ?? "";
      return [`<iq xmlns='jabber:client' type='result' id='${id}' from='meet.test'/>`];
    }
    return [`<iq xmlns='jabber:client' type='error' id='${id}' from='meet.test'><error type='modify'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`];
  });
}

async function outcome(action: Promise<void>): Promise<string> {
  const result = action.then(
    () => "done",
    (error: { code?: string }) => error.code ?? String(error),
  );
  await vi.advanceTimersByTimeAsync(2_000);
  return result;
}

const changes = (): readonly string[] => server.sent.filter((frame) => frame.includes("jabber:iq:register"));

describe("signing in", () => {
  it("keeps who it is, and says when the password is wrong", async () => {
    const account = new AccountSession(config, systemEnvironment);
    expect(await outcome(account.signIn("ann", "wrong"))).toBe("wrong-credentials");
    expect(account.state.get().kind).toBe("signed-out");
    expect(account.credentials()).toBeNull();
    expect(await outcome(account.signIn("ann", "secret"))).toBe("done");
    expect(account.state.get()).toMatchObject({ kind: "signed-in", address: "1a2b3c4d-0000-4000-8000-000000000000@meet.test" });
    expect(await outcome(account.signOut())).toBe("done");
    expect(account.credentials()).toBeNull();
  });
});

describe("changing the password", () => {
  async function signedIn(): Promise<AccountSession> {
    const account = new AccountSession(config, systemEnvironment);
    expect(await outcome(account.signIn("ann", "secret"))).toBe("done");
    return account;
  }

  it("proves the current one first: when it is wrong, nothing is sent", async () => {
    register(null);
    const account = await signedIn();
    expect(await outcome(account.changePassword("guess", "a new password"))).toBe("wrong-current-password");
    expect(changes()).toEqual([]);
    expect(account.state.get().kind).toBe("signed-in");
    expect(server.password).toBe("secret");
  });

  it("changes it and stays signed in with the new one", async () => {
    register(null);
    const account = await signedIn();
    expect(await outcome(account.changePassword("secret", "a <new> password"))).toBe("done");
    expect(changes()).toHaveLength(1);
    expect(account.credentials()).toEqual({ username: "ann", password: "a <new> password" });
    expect(account.state.get().kind).toBe("signed-in");
  });

  it("says what the server says", async () => {
    for (const [condition, code] of [
      ["not-acceptable", "password-not-acceptable"],
      ["resource-constraint", "too-many-attempts"],
      ["not-allowed", "not-allowed"],
    ] as const) {
      server.rules.length = 0;
      register(condition);
      const account = await signedIn();
      expect(await outcome(account.changePassword("secret", "a new password"))).toBe(code);
      expect(account.credentials()?.password).toBe("secret");
    }
  });

  it("refuses a short one and a guest without asking the server", async () => {
    const account = await signedIn();
    expect(await outcome(account.changePassword("secret", "short"))).toBe("password-too-weak");
    await account.signOut();
    expect(await outcome(account.changePassword("secret", "long enough"))).toBe("not-signed-in");
    expect(changes()).toEqual([]);
  });
});

describe("an invitation", () => {
  function invitations(valid: string): void {
    server.rules.push((frame) => {
      const id = /id="([^"]+)"/.exec(frame)?.[1] ?? "";
      if (frame.includes("urn:xmpp:pars:0")) {
        return frame.includes(`token="${valid}"`)
          ? [`<iq xmlns='jabber:client' type='result' id='${id}' from='meet.test'/>`]
          : [`<iq xmlns='jabber:client' type='error' id='${id}' from='meet.test'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`];
      }
      if (frame.includes("jabber:iq:register") && frame.includes('type="get"')) {
        return [`<iq xmlns='jabber:client' type='result' id='${id}' from='meet.test'><query xmlns='jabber:iq:register'><username>bob</username><password/></query></iq>`];
      }
      return null;
    });
  }

  it("sets the first password and signs in", async () => {
    invitations("good");
    register(null);
    const account = new AccountSession(config, systemEnvironment);
    expect(await outcome(account.acceptInvite("good", "my own password"))).toBe("done");
    expect(server.password).toBe("my own password");
    expect(account.credentials()).toEqual({ username: "bob", password: "my own password" });
    const exchange = server.sockets[0]?.sent.join("\n") ?? "";
    expect(exchange).not.toContain("<auth");
    expect(exchange.indexOf("urn:xmpp:pars:0")).toBeLessThan(exchange.indexOf("<password>"));
  });

  it("is refused when it is spent, before any password is sent", async () => {
    invitations("good");
    register(null);
    const account = new AccountSession(config, systemEnvironment);
    expect(await outcome(account.acceptInvite("spent", "my own password"))).toBe("invite-invalid");
    expect(server.sent.join("")).not.toContain("my own password");
    server.refusing = true;
    expect(await outcome(account.acceptInvite("good", "my own password"))).toBe("connection-failed");
  });
});
