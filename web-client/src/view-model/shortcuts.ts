/** What a key does in the meeting. */
export type ShortcutAction =
  | "microphone"
  | "camera"
  | "screen"
  | "chat"
  | "hand"
  | "participants"
  | "layout"
  | "timer"
  | "fullscreen"
  | "help"
  | "push-to-talk";

/** Keys by what they produce, so that every keyboard layout works. */
const KEYS: Readonly<Record<string, ShortcutAction>> = {
  m: "microphone",
  v: "camera",
  d: "screen",
  c: "chat",
  r: "hand",
  p: "participants",
  w: "layout",
  t: "timer",
  s: "fullscreen",
  "?": "help",
  " ": "push-to-talk",
};

export interface KeyPress {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
  readonly repeat: boolean;
}

/** What the element with focus does with keys itself. */
export type FocusKind = "text" | "control" | "other";

/** The action of a key press, or null when it belongs to the focused element, the browser or nobody. */
export function shortcutOf(press: KeyPress, focus: FocusKind): ShortcutAction | null {
  if (press.ctrlKey || press.altKey || press.metaKey || press.repeat || focus === "text") return null;
  const action = KEYS[press.key.toLowerCase()] ?? null;
  // The space bar presses a focused button; that must stay so.
  return action === "push-to-talk" && focus === "control" ? null : action;
}

/** How the focused element takes keys. */
export function focusKind(element: Element | null): FocusKind {
  if (element === null) return "other";
  if (element.closest("textarea, select, [contenteditable='true'], input:not([type=checkbox], [type=radio], [type=range], [type=button])") !== null) return "text";
  if (element.closest("[role=menu], [role=dialog], [role=listbox]") !== null) return "text";
  return element.closest("button, a[href], summary, input, [role=button], [role=menuitem], [role=tab]") === null ? "other" : "control";
}
