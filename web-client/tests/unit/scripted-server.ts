/** A WebSocket whose other end is the test: frames the client sends are answered by rules, in virtual time. */

import { vi } from "vitest";

export class ScriptedSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly url: string;
  readonly sent: string[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  readonly #server: ScriptedServer;

  constructor(url: string, server: ScriptedServer) {
    super();
    this.url = url;
    this.#server = server;
    setTimeout(() => {
      if (server.refusing) this.fail();
      else {
        this.readyState = 1;
        this.onopen?.();
      }
    }, 1);
  }

  send(data: string): void {
    if (this.readyState !== 1) throw new Error("socket isn't open");
    this.sent.push(data);
    setTimeout(() => {
      for (const answer of this.#server.answer(data, this)) this.deliver(answer);
    }, 1);
  }

  deliver(data: string): void {
    if (this.readyState === 1) this.onmessage?.({ data });
  }

  /** The network breaks. */
  fail(): void {
    this.readyState = 3;
    this.onclose?.({ code: 1006 });
  }

  close(): void {
    this.readyState = 3;
  }
}

export type Rule = (frame: string, socket: ScriptedSocket) => readonly string[] | null;

const FEATURES_BEFORE = (mechanisms: readonly string[]): string =>
  `<stream:features xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${mechanisms
    .map((name) => `<mechanism>${name}</mechanism>`)
    .join("")}</mechanisms></stream:features>`;
const FEATURES_AFTER =
  "<stream:features xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>";

export class ScriptedServer {
  readonly sockets: ScriptedSocket[] = [];
  readonly rules: Rule[] = [];
  mechanisms: readonly string[] = ["ANONYMOUS"];
  refusing = false;
  resumable = true;
  /** Whether a resumption succeeds. */
  remembers = true;
  password = "secret";
  #authenticated = new WeakSet<ScriptedSocket>();

  install(): void {
    const sockets = this.sockets;
    const make = (url: string): ScriptedSocket => {
      const socket = new ScriptedSocket(url, this);
      sockets.push(socket);
      return socket;
    };
    const constructor = function (url: string) {
      return make(url);
    };
    vi.stubGlobal("WebSocket", Object.assign(constructor, { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 }));
  }

  get last(): ScriptedSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was opened");
    return socket;
  }

  get sent(): readonly string[] {
    return this.sockets.flatMap((socket) => socket.sent);
  }

  answer(frame: string, socket: ScriptedSocket): readonly string[] {
    for (const rule of this.rules) {
      const answer = rule(frame, socket);
      if (answer !== null) return answer;
    }
    if (frame.startsWith("<open")) {
      const features = this.#authenticated.has(socket) ? FEATURES_AFTER : FEATURES_BEFORE(this.mechanisms);
      return ["<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='s1' version='1.0' from='meet.test'/>", features];
    }
    if (frame.startsWith("<auth")) {
      const plain = />([^<]+)</.exec(frame)?.[1];
      if (frame.includes('"PLAIN"') && plain !== undefined && atob(plain).split("\0")[2] !== this.password) {
        return ["<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"];
      }
      this.#authenticated.add(socket);
      return ["<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"];
    }
    const id = /id="([^"]+)"/.exec(frame)?.[1] ?? "";
    if (frame.includes("urn:ietf:params:xml:ns:xmpp-bind")) {
      return [
        `<iq xmlns='jabber:client' id='${id}' type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>1a2b3c4d-0000-4000-8000-000000000000@meet.test/r1</jid></bind></iq>`,
      ];
    }
    if (frame.startsWith("<enable")) {
      return [this.resumable ? "<enabled xmlns='urn:xmpp:sm:3' id='sm-1' resume='true' max='60'/>" : "<enabled xmlns='urn:xmpp:sm:3'/>"];
    }
    if (frame.startsWith("<resume")) {
      return [
        this.remembers
          ? "<resumed xmlns='urn:xmpp:sm:3' previd='sm-1' h='0'/>"
          : "<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
      ];
    }
    if (frame.includes("urn:xmpp:ping")) return [`<iq xmlns='jabber:client' id='${id}' type='result' from='meet.test'/>`];
    return [];
  }
}
