import { createMemo } from "solid-js";
import type { Accessor } from "solid-js";
import type { Meeting } from "../session/meeting";
import { LOCAL } from "./tiles";
import { watch } from "./watch";

/** How loud we are ourselves, 0…1, before and after we have an id. */
export function ownLevel(meeting: Meeting): Accessor<number> {
  const levels = watch(meeting.audioLevels);
  const local = watch(meeting.local);
  return createMemo(() => levels().get(local().id ?? LOCAL) ?? levels().get(LOCAL) ?? 0);
}
