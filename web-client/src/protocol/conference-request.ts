/** Asking the focus for a conference before entering the room: as IQ and over HTTP. */

import * as v from "valibot";
import { NS } from "./ns";
import { xml, type XmlElement } from "./xml";

export interface ConferenceRequest {
  /** Bare JID of the room. */
  readonly room: string;
  /** Random, kept by this browser. */
  readonly machineUid: string;
  readonly sessionId: string | null;
  readonly token: string | null;
  readonly properties: Readonly<Record<string, string | number | boolean>>;
}

export interface ConferenceAnswer {
  readonly ready: boolean;
  readonly focusJid: string | null;
  readonly sessionId: string | null;
  readonly identity: string | null;
  readonly properties: Readonly<Record<string, string>>;
}

export function conferenceElement(request: ConferenceRequest): XmlElement {
  return xml(
    "conference",
    NS.jitsiFocus,
    { room: request.room, "machine-uid": request.machineUid, "session-id": request.sessionId, token: request.token },
    ...Object.entries(request.properties).map(([name, value]) => xml("property", NS.jitsiFocus, { name, value })),
  );
}

export function conferenceJson(request: ConferenceRequest): string {
  return JSON.stringify({
    room: request.room,
    machineUid: request.machineUid,
    ...(request.sessionId === null ? {} : { sessionId: request.sessionId }),
    properties: request.properties,
  });
}

/** Null when the result holds no `<conference/>`. */
export function parseConferenceElement(iq: XmlElement): ConferenceAnswer | null {
  const element = iq.child("conference", NS.jitsiFocus);
  if (element === null) return null;
  return {
    ready: element.attr("ready") === "true",
    focusJid: element.attr("focusjid"),
    sessionId: element.attr("session-id"),
    identity: element.attr("identity"),
    properties: Object.fromEntries(
      element.all("property").flatMap((property) => {
        const name = property.attr("name");
        return name === null ? [] : [[name, property.attr("value") ?? ""]];
      }),
    ),
  };
}

const answerSchema = v.object({
  ready: v.boolean(),
  focusJid: v.nullish(v.string(), null),
  sessionId: v.nullish(v.string(), null),
  identity: v.nullish(v.string(), null),
  properties: v.optional(v.record(v.string(), v.pipe(v.union([v.string(), v.boolean(), v.number()]), v.transform(String))), {}),
});

export function parseConferenceJson(json: unknown): ConferenceAnswer | null {
  const result = v.safeParse(answerSchema, json);
  return result.success ? result.output : null;
}
