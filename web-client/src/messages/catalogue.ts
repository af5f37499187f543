import { createSignal } from "solid-js";
import { en } from "./en";
import type { Messages } from "./en";

/** Languages beside English load only when they are wanted. */
const LOADERS: Readonly<Record<string, () => Promise<Messages>>> = {
  de: async () => (await import("./de")).de,
};

const [current, setCurrent] = createSignal<Messages>(en);

/** The messages of the chosen language; reading it inside a component keeps the text up to date. */
export const t = current;

/** The first of the wished languages that we speak; English when there is none. */
export function chooseLanguage(wished: readonly string[]): string {
  for (const tag of wished) {
    const language = tag.toLowerCase().split("-")[0] ?? "";
    if (language === "en" || language in LOADERS) return language;
  }
  return "en";
}

/** Loads a language and shows it; an unknown one, or one that cannot be loaded, leaves English. */
export async function speak(language: string): Promise<void> {
  const load = LOADERS[language];
  if (load === undefined) {
    setCurrent(() => en);
    return;
  }
  try {
    const messages = await load();
    setCurrent(() => messages);
  } catch {
    setCurrent(() => en);
  }
}
