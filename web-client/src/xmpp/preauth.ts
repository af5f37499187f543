/**
 * Using an invitation: XEP-0445 presents the token, XEP-0077 registers, both on a stream that hasn't logged in.
 * The XMPP library logs in as soon as it can, so this one short exchange has a socket of its own.
 */

import type { Clock } from "../clock";
import { ClientError } from "../errors";
import { NS } from "../protocol/ns";
import { parseStanzaError, type StanzaError } from "../protocol/stanza-error";
import { fromDom, xml, type XmlElement } from "../protocol/xml";

export const PREAUTH_TIMEOUT_MS = 15_000;

export interface Registration {
  readonly username: string;
  readonly domain: string;
}

export interface PreauthOptions {
  readonly webSocketUrl: string;
  readonly domain: string;
  readonly token: string;
  /** Null: the invitation fixes it. */
  readonly username: string | null;
  readonly password: string;
}

/** Rejects `invite-invalid`, `name-taken`, `password-not-acceptable`, `registration-closed`, `connection-failed`, `request-timeout`. */
export async function registerWithInvite(options: PreauthOptions, clock: Clock): Promise<Registration> {
  const stream = await openStream(options.webSocketUrl, options.domain, clock);
  try {
    await stream.request("set", xml("preauth", NS.preauth, { token: options.token })).catch((error: unknown) => {
      throw inviteError(error, "invite-invalid");
    });
    const form = await stream.request("get", xml("query", NS.register)).catch((error: unknown) => {
      throw inviteError(error, "registration-closed");
    });
    // The server fills in the name when the invitation is for one person.
    const fixed = form.child("query", NS.register)?.child("username")?.text.trim() ?? "";
    const username = fixed === "" ? options.username : fixed;
    if (username === null || username === "") throw new ClientError("name-taken");
    await stream
      .request(
        "set",
        xml("query", NS.register, {}, xml("username", NS.register, {}, username), xml("password", NS.register, {}, options.password)),
      )
      .catch((error: unknown) => {
        throw inviteError(error, "server-error");
      });
    return { username, domain: options.domain };
  } finally {
    stream.close();
  }
}

function inviteError(thrown: unknown, fallback: "invite-invalid" | "registration-closed" | "server-error"): ClientError {
  if (thrown instanceof ClientError) return thrown;
  const stanzaError = thrown as StanzaError;
  switch (stanzaError.condition) {
    case "item-not-found":
      return new ClientError("invite-invalid", { serverText: stanzaError.text });
    case "conflict":
      return new ClientError("name-taken", { serverText: stanzaError.text });
    case "not-acceptable":
      return new ClientError("password-not-acceptable", { serverText: stanzaError.text });
    case "policy-violation":
    case "resource-constraint":
      return new ClientError("too-many-attempts", { serverText: stanzaError.text });
    case "not-allowed":
    case "forbidden":
      return new ClientError("registration-closed", { serverText: stanzaError.text });
    default:
      return new ClientError(fallback, { serverText: stanzaError.text });
  }
}

interface PlainStream {
  request(type: "get" | "set", payload: XmlElement): Promise<XmlElement>;
  close(): void;
}

function openStream(url: string, domain: string, clock: Clock): Promise<PlainStream> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, "xmpp");
    const waiting = new Map<string, { readonly resolve: (iq: XmlElement) => void; readonly reject: (error: Error) => void }>();
    let nextId = 0;
    const fail = (error: ClientError): void => {
      reject(error);
      for (const request of waiting.values()) request.reject(error);
      waiting.clear();
      cancel();
      socket.close();
    };
    const cancel = clock.after(PREAUTH_TIMEOUT_MS, () => {
      fail(new ClientError("request-timeout"));
    });
    const stream: PlainStream = {
      request(type, payload) {
        nextId += 1;
        const id = `invite-${nextId}`;
        return new Promise((resolveRequest, rejectRequest) => {
          waiting.set(id, { resolve: resolveRequest, reject: rejectRequest });
          socket.send(xml("iq", NS.client, { type, id, to: domain }, payload).toString());
        });
      },
      close() {
        cancel();
        if (socket.readyState === WebSocket.OPEN) socket.send(xml("close", NS.framing).toString());
        socket.close();
      },
    };
    socket.onopen = () => {
      socket.send(xml("open", NS.framing, { to: domain, version: "1.0" }).toString());
    };
    socket.onerror = () => {
      fail(new ClientError("connection-failed"));
    };
    socket.onclose = () => {
      fail(new ClientError("connection-failed"));
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      const element = typeof event.data === "string" ? parseFrame(event.data) : null;
      if (element === null) return;
      if (element.name === "features") resolve(stream);
      else if (element.name === "error" || element.name === "close") fail(new ClientError("connection-failed"));
      else if (element.name === "iq") {
        const id = element.attr("id") ?? "";
        const request = waiting.get(id);
        waiting.delete(id);
        if (element.attr("type") === "error") request?.reject(parseStanzaError(element));
        else request?.resolve(element);
      }
    };
  });
}

function parseFrame(data: string): XmlElement | null {
  const document = new DOMParser().parseFromString(data, "text/xml");
  return document.getElementsByTagName("parsererror").length > 0 ? null : fromDom(document.documentElement);
}
