/** Asks the focus for the conference until it is ready: over HTTP where the deployment says so, else by IQ. */

import { randomHex, sleep, type Environment } from "../clock";
import type { ClientConfig } from "../config";
import { ClientError } from "../errors";
import { conferenceElement, conferenceJson, parseConferenceElement, parseConferenceJson, type ConferenceAnswer, type ConferenceRequest } from "../protocol/conference-request";
import { StanzaError } from "../protocol/stanza-error";
import type { Link } from "./bridge-session";

export const NOT_READY_RETRY_MAX_MS = 30_000;
export const HOST_RETRY_MS = 5_000;
export const CONFERENCE_TIMEOUT_MS = 15_000;

export interface ConferenceRequestOptions {
  readonly room: string;
  readonly config: ClientConfig;
  readonly environment: Environment;
  /** Null: over HTTP, before there is a stream. */
  readonly link: Link | null;
  /** Somebody entitled has to come first. */
  readonly onWaitingForHost: () => void;
  /** Ends the waiting. */
  readonly cancelled: () => boolean;
}

/** Rejects `conference-refused`, `connection-failed`; null when cancelled. */
export async function requestConference(options: ConferenceRequestOptions): Promise<ConferenceAnswer | null> {
  const { environment } = options;
  let delayMs = 500;
  for (;;) {
    if (options.cancelled()) return null;
    const outcome = await ask(options);
    if (options.cancelled()) return null;
    switch (outcome.kind) {
      case "answer":
        if (outcome.answer.ready) return outcome.answer;
        break;
      case "session-invalid":
        sessionStore.forget();
        break;
      case "waiting-for-host":
        options.onWaitingForHost();
        await sleep(environment.clock, HOST_RETRY_MS);
        continue;
      case "unavailable":
        break;
    }
    await sleep(environment.clock, delayMs);
    delayMs = Math.min(NOT_READY_RETRY_MAX_MS, delayMs * 2);
  }
}

type Outcome =
  | { readonly kind: "answer"; readonly answer: ConferenceAnswer }
  | { readonly kind: "session-invalid" }
  | { readonly kind: "waiting-for-host" }
  /** The focus is away, for example being started again. */
  | { readonly kind: "unavailable" };

async function ask(options: ConferenceRequestOptions): Promise<Outcome> {
  const { config, environment, link } = options;
  const request: ConferenceRequest = {
    room: `${options.room}@${config.mucDomain}`,
    machineUid: machineUid(environment),
    sessionId: sessionStore.get(),
    token: config.jwt,
    properties: { rtcstatsEnabled: false },
  };
  const outcome = link === null ? await askOverHttp(request, config) : await askByIq(request, config, link);
  if (outcome.kind === "answer" && outcome.answer.sessionId !== null) sessionStore.set(outcome.answer.sessionId);
  return outcome;
}

async function askByIq(request: ConferenceRequest, config: ClientConfig, link: Link): Promise<Outcome> {
  try {
    const iq = await link.request("set", config.focusJid, conferenceElement(request), CONFERENCE_TIMEOUT_MS);
    const answer = parseConferenceElement(iq);
    if (answer === null) throw new ClientError("protocol-violation");
    return { kind: "answer", answer };
  } catch (error) {
    if (error instanceof ClientError && error.code === "request-timeout") return { kind: "unavailable" };
    if (!(error instanceof StanzaError)) throw error;
    if (error.condition === "not-authorized") return { kind: "waiting-for-host" };
    if (error.condition === "not-acceptable" || error.detail("session-invalid") !== null) return { kind: "session-invalid" };
    if (["service-unavailable", "remote-server-timeout", "recipient-unavailable", "resource-constraint", "internal-server-error"].includes(error.condition)) {
      return { kind: "unavailable" };
    }
    throw new ClientError("conference-refused", { cause: error, serverText: error.text });
  }
}

async function askOverHttp(request: ConferenceRequest, config: ClientConfig): Promise<Outcome> {
  const url = new URL(config.conferenceRequestUrl ?? "");
  url.searchParams.set("room", request.room);
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(request.token === null ? {} : { Authorization: `Bearer ${request.token}` }) },
      body: conferenceJson(request),
      signal: AbortSignal.timeout(CONFERENCE_TIMEOUT_MS),
    });
  } catch {
    return { kind: "unavailable" };
  }
  if (response.ok) {
    const answer = parseConferenceJson(await response.json().catch(() => null));
    if (answer === null) throw new ClientError("protocol-violation");
    return { kind: "answer", answer };
  }
  const text = await response.text().catch(() => "");
  if (response.status === 403) return { kind: "waiting-for-host" };
  if (response.status === 400 && text.includes("invalid-session")) return { kind: "session-invalid" };
  if (response.status >= 500 || response.status === 429) return { kind: "unavailable" };
  throw new ClientError("conference-refused", { serverText: text.slice(0, 500) });
}

const MACHINE_UID_KEY = "machineUid";
const SESSION_KEY = "sessionId";

/** Random, kept by this browser so that the focus knows it again; names nobody. */
function machineUid(environment: Environment): string {
  const known = storage()?.getItem(MACHINE_UID_KEY) ?? null;
  if (known !== null && /^[0-9a-f]{32}$/.test(known)) return known;
  const fresh = randomHex(environment.random, 32);
  storage()?.setItem(MACHINE_UID_KEY, fresh);
  return fresh;
}

const sessionStore = {
  get: (): string | null => storage()?.getItem(SESSION_KEY) ?? null,
  set: (value: string): void => storage()?.setItem(SESSION_KEY, value),
  forget: (): void => storage()?.removeItem(SESSION_KEY),
};

/** Null where the browser forbids it. */
function storage(): Storage | null {
  try {
    return globalThis.localStorage;
  } catch {
    return null;
  }
}
