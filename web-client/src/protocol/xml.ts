/** XML elements as plain immutable values: what the DOM gives at the socket is turned into these once, and never seen above. */

export type XmlNode = XmlElement | string;

export class XmlElement {
  readonly name: string;
  /** Namespace in force for this element; never empty within a stanza. */
  readonly ns: string;
  readonly attrs: Readonly<Record<string, string>>;
  readonly nodes: readonly XmlNode[];

  constructor(name: string, ns: string, attrs: Readonly<Record<string, string>>, nodes: readonly XmlNode[]) {
    this.name = name;
    this.ns = ns;
    this.attrs = attrs;
    this.nodes = nodes;
  }

  attr(name: string): string | null {
    return this.attrs[name] ?? null;
  }

  get children(): readonly XmlElement[] {
    return this.nodes.filter((node): node is XmlElement => typeof node !== "string");
  }

  get text(): string {
    return this.nodes.filter((node): node is string => typeof node === "string").join("");
  }

  /** First child of that local name; the namespace is compared only when given, as Jitsi's presence children often lack their own. */
  child(name: string, ns?: string): XmlElement | null {
    return this.children.find((child) => child.name === name && (ns === undefined || child.ns === ns)) ?? null;
  }

  all(name: string, ns?: string): readonly XmlElement[] {
    return this.children.filter((child) => child.name === name && (ns === undefined || child.ns === ns));
  }

  toString(): string {
    return serialize(this, "");
  }
}

export type XmlAttrs = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Builds an element; attributes that are null or undefined are left out. */
export function xml(name: string, ns: string, attrs: XmlAttrs = {}, ...nodes: readonly (XmlNode | null)[]): XmlElement {
  const kept: Record<string, string> = {};
  for (const [key, value] of Object.entries(attrs)) {
    if (value !== null && value !== undefined) kept[key] = String(value);
  }
  return new XmlElement(
    name,
    ns,
    kept,
    nodes.filter((node): node is XmlNode => node !== null),
  );
}

/** Minimum of the DOM that `fromDom` reads: works with any implementation of it. */
interface DomNode {
  readonly nodeType: number;
  readonly nodeValue: string | null;
}

/** Deepest nesting taken over from the wire; what is deeper is dropped. */
export const XML_DEPTH_MAX = 64;

export function fromDom(element: Element, depth = 0): XmlElement {
  const attrs: Record<string, string> = {};
  for (const attribute of Array.from(element.attributes)) {
    if (attribute.name !== "xmlns" && !attribute.name.startsWith("xmlns:")) attrs[attribute.name] = attribute.value;
  }
  const nodes: XmlNode[] = [];
  if (depth < XML_DEPTH_MAX) {
    for (const node of Array.from(element.childNodes) as (ChildNode & DomNode)[]) {
      if (node.nodeType === 1) nodes.push(fromDom(node as unknown as Element, depth + 1));
      else if (node.nodeType === 3 || node.nodeType === 4) nodes.push(node.nodeValue ?? "");
    }
  }
  return new XmlElement(element.localName, element.namespaceURI ?? "", attrs, nodes);
}

function serialize(element: XmlElement, outerNs: string): string {
  const parts = [`<${element.name}`];
  if (element.ns !== outerNs) parts.push(` xmlns="${escapeXml(element.ns)}"`);
  for (const [key, value] of Object.entries(element.attrs)) parts.push(` ${key}="${escapeXml(value)}"`);
  if (element.nodes.length === 0) return `${parts.join("")}/>`;
  parts.push(">");
  for (const node of element.nodes) parts.push(typeof node === "string" ? escapeXml(node) : serialize(node, element.ns));
  parts.push(`</${element.name}>`);
  return parts.join("");
}

/** Characters XML 1.0 forbids are dropped: one of them would end the stream. */
export function escapeXml(text: string): string {
  return (
    text
      .replace(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, "")
      .replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char)
  );
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };
