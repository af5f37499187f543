/** Longest room name we make or accept. */
export const ROOM_NAME_CHARACTERS_MAX = 80;

export type Route =
  | { readonly kind: "welcome" }
  | { readonly kind: "account" }
  | { readonly kind: "invite"; readonly token: string }
  | { readonly kind: "meeting"; readonly room: string }
  | { readonly kind: "invalid-room" }
  | { readonly kind: "not-found" };

/** What the address means: `/`, `/account`, `/account/invite#TOKEN`, `/ROOM`. */
export function routeOf(path: string, hash: string): Route {
  const parts = path.split("/").filter((part) => part !== "");
  const [first, second] = parts;
  if (first === undefined) return { kind: "welcome" };
  if (first === "account") {
    if (parts.length === 1) return { kind: "account" };
    if (parts.length === 2 && second === "invite") return { kind: "invite", token: hash.replace(/^#/, "") };
    return { kind: "not-found" };
  }
  if (parts.length > 1) return { kind: "not-found" };
  const room = decodeRoom(first);
  return room !== null && isRoomName(room) ? { kind: "meeting", room: room.toLowerCase() } : { kind: "invalid-room" };
}

/** Characters that neither an address nor an XMPP room address has trouble with. */
export function isRoomName(name: string): boolean {
  return name.length <= ROOM_NAME_CHARACTERS_MAX && /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._~-]*$/u.test(name);
}

/** What somebody typed as a name, made fit for a link: spaces become hyphens. */
export function roomNameFromInput(input: string): string {
  return input.trim().replace(/\s+/g, "-");
}

/** The address of a room on this server. */
export function roomPath(room: string): string {
  return `/${encodeURIComponent(room)}`;
}

/** A room's name as people read it; `room` may be in the encoded form that a room address has. */
export function roomTitle(room: string): string {
  const plain = decodeRoom(room) ?? room;
  return plain.replace(/[-_]+/g, " ").trim() || plain;
}

function decodeRoom(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
