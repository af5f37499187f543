/** Stanza errors (RFC 6120 §8.3) with what Jitsi's servers add to them. */

import { NS } from "./ns";
import type { XmlElement } from "./xml";

export class StanzaError extends Error {
  /** Defined condition, or `undefined-condition` when the peer named none. */
  readonly condition: string;
  readonly type: string | null;
  readonly text: string | null;
  /** Application-specific elements beside the condition. */
  readonly details: readonly XmlElement[];

  constructor(condition: string, type: string | null, text: string | null, details: readonly XmlElement[]) {
    super(text === null ? condition : `${condition}: ${text}`);
    this.name = "StanzaError";
    this.condition = condition;
    this.type = type;
    this.text = text;
    this.details = details;
  }

  detail(name: string): XmlElement | null {
    return this.details.find((element) => element.name === name) ?? null;
  }
}

/** Reads the `<error/>` of a stanza of type `error`. */
export function parseStanzaError(stanza: XmlElement): StanzaError {
  const error = stanza.child("error");
  const children = error?.children ?? [];
  const condition = children.find((child) => child.ns === NS.stanzas && child.name !== "text");
  const text = children.find((child) => child.ns === NS.stanzas && child.name === "text")?.text ?? null;
  const details = [...children.filter((child) => child.ns !== NS.stanzas), ...stanza.children.filter((child) => child !== error)];
  return new StanzaError(condition?.name ?? "undefined-condition", error?.attr("type") ?? null, text, details);
}
