/** Every failure the client can show: a stable code, who can mend it, and the key of its sentence in the dictionary. */

export type ErrorCategory =
  /** The person can mend it: a wrong password, a device in use. */
  | "user"
  /** The network or the server is away; trying again may help. */
  | "connection"
  /** The server refused or misbehaved. */
  | "server"
  /** The browser or the machine cannot do it. */
  | "device";

const CATEGORIES = {
  "connection-failed": "connection",
  "connection-lost": "connection",
  "request-timeout": "connection",
  "not-signed-in": "user",
  "wrong-credentials": "user",
  "wrong-current-password": "user",
  "password-too-weak": "user",
  "password-not-acceptable": "user",
  "too-many-attempts": "user",
  "account-disabled": "user",
  "invite-invalid": "user",
  "name-taken": "user",
  "registration-closed": "server",
  "authentication-required": "user",
  "room-password-required": "user",
  "room-password-wrong": "user",
  "lobby-denied": "user",
  "room-full": "server",
  "room-name-invalid": "user",
  "join-refused": "server",
  "conference-refused": "server",
  "focus-left": "server",
  "media-failed": "connection",
  "not-allowed": "user",
  "device-permission-denied": "device",
  "device-not-found": "device",
  "device-in-use": "device",
  "device-failed": "device",
  "screen-share-cancelled": "user",
  "screen-share-unsupported": "device",
  "browser-unsupported": "device",
  "protocol-violation": "server",
  "server-error": "server",
} as const satisfies Record<string, ErrorCategory>;

export type ErrorCode = keyof typeof CATEGORIES;

export class ClientError extends Error {
  readonly code: ErrorCode;
  /** What the server said, if it said it in words; shown beneath our own sentence, never instead of it. */
  readonly serverText: string | null;

  constructor(code: ErrorCode, options: { cause?: unknown; serverText?: string | null } = {}) {
    super(code, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "ClientError";
    this.code = code;
    this.serverText = options.serverText ?? null;
  }

  get category(): ErrorCategory {
    return CATEGORIES[this.code];
  }

  /** Key of the sentence for people, in the dictionary of the interface. */
  get messageKey(): `error.${ErrorCode}` {
    return `error.${this.code}`;
  }
}

/** Turns anything thrown into a `ClientError`; `fallback` names what was being done. */
export function asClientError(thrown: unknown, fallback: ErrorCode): ClientError {
  return thrown instanceof ClientError ? thrown : new ClientError(fallback, { cause: thrown });
}
