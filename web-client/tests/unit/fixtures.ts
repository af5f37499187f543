/** Recorded samples shared with the server's tests. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromDom, type XmlElement } from "../../src/protocol/xml";

export function fixtureText(name: string): string {
  return readFileSync(join(import.meta.dirname, "../../../protocol/fixtures", name), "utf8");
}

export function parseXml(text: string): XmlElement {
  const document = new DOMParser().parseFromString(text, "text/xml");
  if (document.getElementsByTagName("parsererror").length > 0) throw new Error(`not XML: ${text.slice(0, 200)}`);
  return fromDom(document.documentElement);
}

export function fixture(name: string): XmlElement {
  return parseXml(fixtureText(name));
}

/** The `<jingle/>` of a recorded request. */
export function jingleFixture(name: string): XmlElement {
  const root = fixture(name);
  const jingle = root.name === "jingle" ? root : root.child("jingle");
  if (jingle === null) throw new Error(`${name} holds no jingle`);
  return jingle;
}
