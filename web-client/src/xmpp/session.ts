/**
 * One XMPP session over a WebSocket (RFC 7395): login, bind, stream management with resumption (XEP-0198), ping, requests.
 * The session outlives its socket: when that breaks, it is resumed with the same address. When it can't be, the session
 * is lost, and whoever owns it starts another one.
 */

import { Strophe, type StreamManagement } from "strophe.js";
import { ClientError } from "../errors";
import { Emitter, Signal, type Events, type Readable } from "../reactive";
import type { Environment } from "../clock";
import { clientDiscoInfo } from "../protocol/disco";
import { bareJid } from "../protocol/jid";
import { NS } from "../protocol/ns";
import { parseStanzaError } from "../protocol/stanza-error";
import { fromDom, xml, XmlElement } from "../protocol/xml";

// The library's own log speaks to developers of it; what matters reaches us as states.
Strophe.setLogLevel(Strophe.LogLevel.FATAL);

type StropheConnection = InstanceType<typeof Strophe.Connection>;

export type SessionState =
  | { readonly kind: "connected" }
  | { readonly kind: "resuming"; readonly since: number }
  /** Gone for good; a new session is needed. */
  | { readonly kind: "lost"; readonly error: ClientError }
  | { readonly kind: "closed" };

export interface SessionOptions {
  readonly webSocketUrl: string;
  readonly domain: string;
  /** Null: ANONYMOUS. */
  readonly credentials: { readonly username: string; readonly password: string } | null;
  /** Room and token that Jitsi's servers read from the address. */
  readonly query: Readonly<Record<string, string>>;
  readonly resumption: boolean;
}

/** Answer to a request made of us. Null: not mine. */
export type IqReply =
  | { readonly kind: "result"; readonly payload?: XmlElement }
  | { readonly kind: "error"; readonly type: string; readonly condition: string; readonly detail?: XmlElement };
export type IqHandler = (iq: XmlElement) => IqReply | null;

export const CONNECT_TIMEOUT_MS = 15_000;
export const REQUEST_TIMEOUT_MS = 10_000;
export const PING_INTERVAL_MS = 10_000;
export const PING_TIMEOUT_MS = 5_000;
export const PING_FAILURES_MAX = 2;
/** A resumption is tried until the server must have forgotten us. */
export const RESUME_WINDOW_MS = 60_000;
export const RESUME_DELAY_FIRST_MS = 300;
export const RESUME_DELAY_MAX_MS = 5_000;
/** Stanzas kept while the socket is away. */
export const OUTBOX_MAX = 512;

export class XmppSession {
  readonly state: Readable<SessionState>;
  readonly stanzas: Events<XmlElement>;
  readonly #state = new Signal<SessionState>({ kind: "connected" });
  readonly #stanzas = new Emitter<XmlElement>();
  readonly #requests = new Map<string, { readonly to: string | null; readonly settle: (answer: XmlElement | ClientError) => void }>();
  readonly #iqHandlers: IqHandler[] = [];
  readonly #outbox: XmlElement[] = [];
  readonly #options: SessionOptions;
  readonly #environment: Environment;
  readonly #connection: StropheConnection;
  readonly #idPrefix: string;
  #nextId = 0;
  #established = false;
  #onEstablished: ((error: ClientError | null) => void) | null = null;
  #jid = "";
  #closing = false;
  #resumeId: string | null = null;
  #resumeAttempt = 0;
  #cancelResume: (() => void) | null = null;
  #cancelConnectTimeout: (() => void) | null = null;
  #cancelPing: (() => void) | null = null;
  #pingFailures = 0;

  private constructor(options: SessionOptions, environment: Environment) {
    this.state = this.#state;
    this.stanzas = this.#stanzas;
    this.#options = options;
    this.#environment = environment;
    this.#idPrefix = Math.floor(environment.random() * 0xffffff).toString(36);
    this.#connection = new Strophe.Connection(this.#url(), {
      enableStreamManagement: options.resumption,
      // In memory: the library's default would hand one stream's state to the next of the same tab.
      streamManagement: { storage: new Strophe.MemoryStorageBackend() },
      mechanisms: options.credentials === null ? [Strophe.SASLAnonymous] : [Strophe.SASLSHA256, Strophe.SASLSHA1, Strophe.SASLPlain],
    });
    const management = this.#connection.sm as StreamManagement | undefined;
    if (management !== undefined) {
      management.onEnabled = () => {
        this.#resumeId = management.state.resumeSupported ? management.state.id : null;
      };
      management.onFailed = () => {
        if (this.#state.get().kind === "resuming") this.#lose(new ClientError("connection-lost"));
        else this.#resumeId = null;
      };
    }
  }

  /** Rejects `connection-failed`, `wrong-credentials`, `account-disabled`, `too-many-attempts`, `authentication-required`. */
  static async connect(options: SessionOptions, environment: Environment): Promise<XmppSession> {
    const session = new XmppSession(options, environment);
    await new Promise<void>((resolve, reject) => {
      session.#onEstablished = (error) => {
        session.#onEstablished = null;
        if (error === null) resolve();
        else reject(error);
      };
      session.#open();
    });
    return session;
  }

  /** Our full address. */
  get jid(): string {
    return this.#jid;
  }

  get domain(): string {
    return this.#options.domain;
  }

  /** The first handler that answers is the one; what none answers gets `service-unavailable`. */
  serve(handler: IqHandler): () => void {
    this.#iqHandlers.push(handler);
    return () => {
      const index = this.#iqHandlers.indexOf(handler);
      if (index >= 0) this.#iqHandlers.splice(index, 1);
    };
  }

  /** Sends now, or once the stream is resumed. */
  send(stanza: XmlElement): void {
    switch (this.#state.get().kind) {
      case "connected":
        if (this.#established) this.#write(stanza);
        break;
      case "resuming":
        if (this.#outbox.length < OUTBOX_MAX) this.#outbox.push(stanza);
        break;
      case "lost":
      case "closed":
        break;
    }
  }

  /** Rejects with the `StanzaError` of the answer, or `request-timeout`, or `connection-lost`. */
  request(type: "get" | "set", to: string | null, payload: XmlElement, timeoutMs: number = REQUEST_TIMEOUT_MS): Promise<XmlElement> {
    const id = this.newId();
    return new Promise((resolve, reject) => {
      const cancel = this.#environment.clock.after(timeoutMs, () => {
        this.#requests.delete(id);
        reject(new ClientError("request-timeout"));
      });
      this.#requests.set(id, {
        to,
        settle: (answer) => {
          cancel();
          this.#requests.delete(id);
          if (answer instanceof ClientError) reject(answer);
          else if (answer.attr("type") === "error") reject(parseStanzaError(answer));
          else resolve(answer);
        },
      });
      this.send(xml("iq", NS.client, { type, id, to }, payload));
    });
  }

  newId(): string {
    this.#nextId += 1;
    return `${this.#idPrefix}-${this.#nextId}`;
  }

  /** Breaks the socket as a failing network would, so that the stream is resumed on a new one. */
  reconnect(): void {
    if (this.#state.get().kind === "connected" && this.#established) this.#connection._doDisconnect();
  }

  /** Ends the stream properly. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    const wasConnected = this.#state.get().kind === "connected" && this.#established;
    this.#stopTimers();
    if (wasConnected) this.#connection.disconnect();
    else this.#connection._doDisconnect();
    this.#failRequests(new ClientError("connection-lost"));
    this.#state.set({ kind: "closed" });
  }

  #url(): string {
    const url = new URL(this.#options.webSocketUrl);
    for (const [key, value] of Object.entries(this.#options.query)) url.searchParams.set(key, value);
    // COMPAT(prosody): with ANONYMOUS each login is a new user, so the server finds the old one by this parameter.
    if (this.#resumeId !== null) url.searchParams.set("previd", this.#resumeId);
    return url.href;
  }

  #open(): void {
    const { credentials, domain } = this.#options;
    const jid = credentials === null ? domain : fullUsername(credentials.username, domain);
    this.#connection.service = this.#url();
    this.#cancelConnectTimeout = this.#environment.clock.after(CONNECT_TIMEOUT_MS, () => {
      this.#connection._doDisconnect();
    });
    this.#connection.connect(jid, credentials?.password ?? "", (status: number, _condition: string | null, element?: Element) => {
      this.#onStatus(status, element ?? null);
    });
  }

  #onStatus(status: number, element: Element | null): void {
    switch (status) {
      case Strophe.Status.CONNECTED:
        this.#onConnected();
        break;
      case Strophe.Status.AUTHFAIL:
        this.#onAuthenticationFailed(element);
        break;
      case Strophe.Status.CONNFAIL:
        // COMPAT(strophe): offered mechanisms that we can't use come as a failed connection without a disconnect of their own.
        break;
      case Strophe.Status.DISCONNECTED:
        this.#onDisconnected();
        break;
      default:
        break;
    }
  }

  #onConnected(): void {
    this.#cancelConnectTimeout?.();
    this.#cancelConnectTimeout = null;
    this.#connection.addHandler(
      (stanza: Element) => {
        this.#receive(stanza);
        return true;
      },
      null,
      null,
      null,
    );
    this.#jid = this.#connection.jid;
    this.#resumeAttempt = 0;
    this.#pingFailures = 0;
    this.#schedulePing();
    if (!this.#established) {
      this.#established = true;
      this.#onEstablished?.(null);
      return;
    }
    this.#state.set({ kind: "connected" });
    for (const stanza of this.#outbox.splice(0)) this.#write(stanza);
  }

  #onAuthenticationFailed(element: Element | null): void {
    const error = authenticationError(element === null ? null : fromDom(element));
    if (this.#established) this.#lose(error);
    else this.#failEstablishing(error);
  }

  #failEstablishing(error: ClientError): void {
    const report = this.#onEstablished;
    this.#closing = true;
    this.#stopTimers();
    this.#connection._doDisconnect();
    this.#state.set({ kind: "closed" });
    report?.(error);
  }

  #onDisconnected(): void {
    this.#cancelConnectTimeout?.();
    this.#cancelPing?.();
    if (this.#closing) return;
    if (!this.#established) {
      this.#failEstablishing(new ClientError("connection-failed"));
      return;
    }
    const state = this.#state.get();
    if (state.kind === "lost" || state.kind === "closed") return;
    if (this.#resumeId === null) {
      this.#lose(new ClientError("connection-lost"));
      return;
    }
    const now = this.#environment.clock.now();
    const since = state.kind === "resuming" ? state.since : now;
    if (now - since > RESUME_WINDOW_MS) {
      this.#lose(new ClientError("connection-lost"));
      return;
    }
    this.#state.set({ kind: "resuming", since });
    this.#scheduleResume();
  }

  #scheduleResume(): void {
    const backoff = Math.min(RESUME_DELAY_MAX_MS, RESUME_DELAY_FIRST_MS * 2 ** this.#resumeAttempt);
    this.#resumeAttempt += 1;
    // Half to one and a half times the delay, so that a room full of clients does not come back in one instant.
    const delay = backoff * (0.5 + this.#environment.random());
    this.#cancelResume = this.#environment.clock.after(delay, () => {
      const state = this.#state.get();
      if (this.#closing || state.kind !== "resuming") return;
      if (this.#environment.online()) this.#open();
      else if (this.#environment.clock.now() - state.since > RESUME_WINDOW_MS) this.#lose(new ClientError("connection-lost"));
      else this.#scheduleResume();
    });
  }

  #lose(error: ClientError): void {
    const kind = this.#state.get().kind;
    if (kind === "lost" || kind === "closed") return;
    this.#closing = true;
    this.#resumeId = null;
    this.#stopTimers();
    this.#outbox.length = 0;
    this.#failRequests(error);
    this.#state.set({ kind: "lost", error });
    // The library is within its own callback here; let it return before the socket goes.
    this.#environment.clock.after(0, () => {
      this.#connection._doDisconnect();
    });
  }

  #stopTimers(): void {
    this.#cancelConnectTimeout?.();
    this.#cancelResume?.();
    this.#cancelPing?.();
  }

  #failRequests(error: ClientError): void {
    for (const request of [...this.#requests.values()]) request.settle(error);
  }

  #schedulePing(): void {
    this.#cancelPing?.();
    this.#cancelPing = this.#environment.clock.after(PING_INTERVAL_MS, () => {
      if (this.#state.get().kind !== "connected") return;
      this.request("get", this.#options.domain, xml("ping", NS.ping), PING_TIMEOUT_MS).then(
        () => {
          this.#pingFailures = 0;
          this.#schedulePing();
        },
        (error: unknown) => {
          // An error is an answer, too: the server lives.
          this.#pingFailures = error instanceof ClientError ? this.#pingFailures + 1 : 0;
          if (this.#state.get().kind !== "connected") return;
          if (this.#pingFailures >= PING_FAILURES_MAX) this.#connection._doDisconnect();
          else this.#schedulePing();
        },
      );
    });
  }

  #write(stanza: XmlElement): void {
    const text = stanza.toString();
    const element = new DOMParser().parseFromString(text, "text/xml").documentElement;
    this.#connection.send(element);
  }

  /** A handler that threw would be dropped by the library; nothing may get past here. */
  #receive(dom: Element): void {
    const stanza = fromDom(dom);
    try {
      if (stanza.name === "iq") this.#receiveIq(stanza);
      else if (stanza.name === "message" || stanza.name === "presence") this.#stanzas.emit(stanza);
    } catch (error) {
      console.error("stanza could not be handled", error);
      if (stanza.name === "iq") this.#answer(stanza, { kind: "error", type: "wait", condition: "internal-server-error" });
    }
  }

  #receiveIq(iq: XmlElement): void {
    const type = iq.attr("type");
    const id = iq.attr("id");
    if (type === "result" || type === "error") {
      const request = id === null ? undefined : this.#requests.get(id);
      if (request !== undefined && this.#isAnswerFrom(iq.attr("from"), request.to)) request.settle(iq);
      return;
    }
    if (type !== "get" && type !== "set") return;
    for (const handler of this.#iqHandlers) {
      const reply = handler(iq);
      if (reply !== null) {
        this.#answer(iq, reply);
        return;
      }
    }
    this.#answer(iq, builtInReply(iq) ?? { kind: "error", type: "cancel", condition: "service-unavailable" });
  }

  /** Without `to`, the answer may come from the domain, from our own address or without `from` (RFC 6120 §8.1.2.1). */
  #isAnswerFrom(from: string | null, to: string | null): boolean {
    if (to !== null) return from === to || (from === null && to === this.#options.domain);
    return from === null || from === this.#options.domain || bareJid(from) === bareJid(this.#jid);
  }

  #answer(iq: XmlElement, reply: IqReply): void {
    const attrs = { id: iq.attr("id"), to: iq.attr("from") };
    if (reply.kind === "result") {
      this.send(xml("iq", NS.client, { ...attrs, type: "result" }, reply.payload ?? null));
      return;
    }
    this.send(
      xml(
        "iq",
        NS.client,
        { ...attrs, type: "error" },
        xml("error", NS.client, { type: reply.type }, xml(reply.condition, NS.stanzas), reply.detail ?? null),
      ),
    );
  }
}

/** Questions anybody may ask of any client. */
function builtInReply(iq: XmlElement): IqReply | null {
  if (iq.attr("type") !== "get") return null;
  const query = iq.child("query", NS.discoInfo);
  if (query !== null) return { kind: "result", payload: clientDiscoInfo(query.attr("node")) };
  if (iq.child("ping", NS.ping) !== null) return { kind: "result" };
  return null;
}

function fullUsername(username: string, domain: string): string {
  const bare = bareJid(username);
  return bare.includes("@") ? bare : `${bare}@${domain}`;
}

function authenticationError(failure: XmlElement | null): ClientError {
  const condition = failure?.children.find((child) => child.name !== "text")?.name ?? null;
  const serverText = failure?.child("text")?.text ?? null;
  switch (condition) {
    case "not-authorized":
    case "invalid-authzid":
      return new ClientError("wrong-credentials", { serverText });
    case "account-disabled":
    case "credentials-expired":
      return new ClientError("account-disabled", { serverText });
    case "temporary-auth-failure":
    case "policy-violation":
    case "aborted":
      return new ClientError("too-many-attempts", { serverText });
    case "invalid-mechanism":
    case "not-allowed":
      return new ClientError("authentication-required", { serverText });
    default:
      return new ClientError("connection-failed", { serverText });
  }
}

