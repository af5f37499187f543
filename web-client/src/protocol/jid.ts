/** XMPP addresses (RFC 7622), only as far as a client takes them apart. */

export function bareJid(jid: string): string {
  const slash = jid.indexOf("/");
  return slash < 0 ? jid : jid.slice(0, slash);
}

export function resourceOf(jid: string): string | null {
  const slash = jid.indexOf("/");
  return slash < 0 ? null : jid.slice(slash + 1);
}

export function nodeOf(jid: string): string | null {
  const bare = bareJid(jid);
  const at = bare.indexOf("@");
  return at < 0 ? null : bare.slice(0, at);
}

export function domainOf(jid: string): string {
  const bare = bareJid(jid);
  return bare.slice(bare.indexOf("@") + 1);
}
