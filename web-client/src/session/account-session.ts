/** The member's account over XMPP: XEP-0077 on a signed-in stream, XEP-0445 for invitations. */

import type { Environment } from "../clock";
import type { ClientConfig } from "../config";
import { ClientError, type ErrorCode } from "../errors";
import { Signal, type Readable } from "../reactive";
import { bareJid, nodeOf } from "../protocol/jid";
import { NS } from "../protocol/ns";
import { StanzaError } from "../protocol/stanza-error";
import { xml } from "../protocol/xml";
import { registerWithInvite } from "../xmpp/preauth";
import { XmppSession } from "../xmpp/session";
import { PASSWORD_CHARACTERS_MIN, type Account, type AccountState } from "./account";
import type { Credentials } from "./meeting";

/** The server derives keys with many iterations before it answers. */
export const PASSWORD_CHANGE_TIMEOUT_MS = 30_000;

export class AccountSession implements Account {
  readonly state: Readable<AccountState>;
  readonly #state = new Signal<AccountState>({ kind: "signed-out" });
  readonly #config: ClientConfig;
  readonly #environment: Environment;
  #session: XmppSession | null = null;
  #credentials: Credentials | null = null;

  constructor(config: ClientConfig, environment: Environment) {
    this.#config = config;
    this.#environment = environment;
    this.state = this.#state;
  }

  credentials(): Credentials | null {
    return this.#credentials;
  }

  async signIn(username: string, password: string): Promise<void> {
    this.#close();
    this.#state.set({ kind: "signing-in" });
    const credentials = { username: username.trim(), password };
    try {
      this.#adopt(await this.#authenticate(credentials), credentials);
    } catch (error) {
      this.#state.set({ kind: "signed-out" });
      throw error;
    }
  }

  async signOut(): Promise<void> {
    this.#close();
    this.#credentials = null;
    this.#state.set({ kind: "signed-out" });
    await Promise.resolve();
  }

  async changePassword(current: string, next: string): Promise<void> {
    const credentials = this.#credentials;
    const state = this.#state.get();
    if (credentials === null || state.kind !== "signed-in") throw new ClientError("not-signed-in");
    if ([...next].length < PASSWORD_CHARACTERS_MIN) throw new ClientError("password-too-weak");
    // A stream of its own proves the current password and carries the change; where the proof fails, nothing was sent.
    const session = await this.#authenticate({ username: credentials.username, password: current }).catch((error: unknown) => {
      throw error instanceof ClientError && error.code === "wrong-credentials" ? new ClientError("wrong-current-password", { cause: error }) : error;
    });
    try {
      const username = nodeOf(session.jid) ?? credentials.username;
      const query = xml("query", NS.register, {}, xml("username", NS.register, {}, username), xml("password", NS.register, {}, next));
      await session.request("set", this.#config.domain, query, PASSWORD_CHANGE_TIMEOUT_MS);
    } catch (error) {
      session.close();
      throw error instanceof StanzaError ? new ClientError(changeFailure(error.condition), { cause: error, serverText: error.text }) : error;
    }
    // The server closes the account's other streams: this one goes on.
    this.#close();
    this.#adopt(session, { username: credentials.username, password: next });
  }

  async acceptInvite(token: string, newPassword: string, username?: string): Promise<void> {
    if ([...newPassword].length < PASSWORD_CHARACTERS_MIN) throw new ClientError("password-too-weak");
    const registration = await registerWithInvite(
      {
        webSocketUrl: this.#config.webSocketUrl,
        domain: this.#config.domain,
        token,
        username: username === undefined || username.trim() === "" ? null : username.trim(),
        password: newPassword,
      },
      this.#environment.clock,
    );
    await this.signIn(registration.username, newPassword);
  }

  #authenticate(credentials: Credentials): Promise<XmppSession> {
    return XmppSession.connect(
      { webSocketUrl: this.#config.webSocketUrl, domain: this.#config.domain, credentials, query: {}, resumption: true },
      this.#environment,
    );
  }

  #adopt(session: XmppSession, credentials: Credentials): void {
    this.#session = session;
    this.#credentials = credentials;
    this.#state.set({ kind: "signed-in", username: nodeOf(session.jid) ?? credentials.username, address: bareJid(session.jid) });
    session.state.subscribe((state) => {
      if (this.#session !== session || state.kind !== "lost") return;
      // The password was changed elsewhere, or the account was taken away; a mere loss of network keeps the sign-in.
      this.#session = null;
      if (state.error.code !== "wrong-credentials" && state.error.code !== "account-disabled") return;
      this.#credentials = null;
      this.#state.set({ kind: "signed-out" });
    });
  }

  #close(): void {
    const session = this.#session;
    this.#session = null;
    session?.close();
  }
}

function changeFailure(condition: string): ErrorCode {
  switch (condition) {
    case "not-authorized":
      return "wrong-current-password";
    case "not-acceptable":
    case "bad-request":
      return "password-not-acceptable";
    case "resource-constraint":
    case "policy-violation":
      return "too-many-attempts";
    case "not-allowed":
    case "forbidden":
      return "not-allowed";
    default:
      return "server-error";
  }
}
