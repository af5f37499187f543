// A bare XMPP client over direct TLS: sends exactly the bytes it is told, for input no library would send.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import tls from "node:tls";
import { waitFor } from "./wait.mjs";

export class RawXmpp {
  /** Connects and waits for the stream's features. The certificate must be right for the host. */
  static async connect(stack, { host = stack.host, ca: root = path.join(stack.data, "certs/ca.pem") } = {}) {
    const raw = new RawXmpp();
    const ca = await readFile(root);
    raw.host = host;
    raw.text = "";
    raw.socket = tls.connect({ host: "127.0.0.1", port: stack.ports.c2sTls, servername: host, ca, ALPNProtocols: ["xmpp-client"] });
    raw.socket.setEncoding("utf8");
    raw.socket.on("data", (chunk) => (raw.text += chunk));
    raw.socket.on("close", () => (raw.closed = true));
    raw.socket.on("error", (error) => (raw.error = error));
    await once(raw.socket, "secureConnect");
    raw.openStream();
    await raw.expect(/<\/stream:features>/);
    return raw;
  }

  send(text) {
    this.socket.write(text);
  }

  openStream() {
    this.text = "";
    this.send(`<?xml version='1.0'?><stream:stream to='${this.host}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`);
  }

  /** Waits until what came since the last `expect` matches; returns the match and forgets up to its end. */
  async expect(pattern, timeoutMs = 10_000) {
    const match = await waitFor(`${pattern} from the server; got: ${this.text.slice(-600)}`, () => pattern.exec(this.text), timeoutMs, 5);
    this.text = this.text.slice(match.index + match[0].length);
    return match;
  }

  /** As `expect`, but wakes with the bytes: for measuring. */
  async arrival(pattern, timeoutMs = 10_000) {
    const signal = AbortSignal.timeout(timeoutMs);
    while (!pattern.test(this.text)) await once(this.socket, "data", { signal });
    return this.expect(pattern);
  }

  /** Signs in with PLAIN, or ANONYMOUS without a name, and binds. Answers the full address. */
  async signIn(name, password) {
    if (name === undefined) this.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>");
    else {
      const message = Buffer.from(`\0${name}\0${password}`).toString("base64");
      this.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${message}</auth>`);
    }
    await this.expect(/<success[^>]*>/);
    this.openStream();
    await this.expect(/<\/stream:features>/);
    this.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    const [, jid] = await this.expect(/<jid>([^<]+)<\/jid>/);
    this.jid = jid;
    return jid;
  }

  /** Sends an IQ and answers the reply's text. */
  async iq(id, stanza) {
    this.send(stanza);
    const [reply] = await this.expect(new RegExp(`<iq[^>]*id=['"]${id}['"][^>]*(/>|>[\\s\\S]*?</iq>)`));
    return reply;
  }

  async untilClosed(timeoutMs = 10_000) {
    await waitFor("the server to close the connection", () => this.closed, timeoutMs, 5);
  }

  close() {
    this.socket.destroy();
  }
}
