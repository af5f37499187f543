import { PASSWORD_CHARACTERS_MIN } from "../session/account";

/** Longest password the pages send. */
export const PASSWORD_CHARACTERS_MAX = 256;

export type PasswordHint = "longer" | "repeats" | "common" | "name" | "good";

export interface PasswordStrength {
  /** 0 very weak … 4 strong. */
  readonly level: 0 | 1 | 2 | 3 | 4;
  readonly hint: PasswordHint;
}

export type PasswordProblem =
  | "missing-current"
  | "too-short"
  | "too-long"
  | "mismatch"
  | "same-as-before"
  | "same-as-name";

export interface PasswordChange {
  readonly username: string;
  /** null where a first password is set. */
  readonly current: string | null;
  readonly next: string;
  readonly repeat: string;
}

const COMMON =
  /^(?:pass(?:word|wort)?|passw0rd|qwert[yz](?:uiop)?|admin(?:istrator)?|welcome|willkommen|letmein|hallo|hello|geheim|secret|iloveyou|abc|test|changeme|dragon|monkey|football|sunshine|princess|master|login|conclave)[\d!?.@#$*_-]*$/i;
/** A word of six letters is one of some ten thousand. */
const BITS_PER_WORD_CHARACTER = 2.2;
const SEQUENCES = "abcdefghijklmnopqrstuvwxyz 01234567890 qwertyuiop asdfghjkl zxcvbnm qwertzuiop yxcvbnm";

/** A plain estimate of how long guessing would take, with the one hint that helps most. */
export function passwordStrength(password: string, username: string): PasswordStrength {
  const lower = password.toLowerCase();
  if (COMMON.test(password) || /^(.)\1*$/u.test(password)) return { level: 0, hint: "common" };
  const named = username.length >= 3 && lower.includes(username.toLowerCase());
  const rest = named ? lower.split(username.toLowerCase()).join("") : lower;
  const counted = countedCharacters(rest);
  const repetitive = [...rest].length - counted >= 3;
  const inWords = Math.min(counted, wordCharacters(rest));
  const bits = inWords * BITS_PER_WORD_CHARACTER + (counted - inWords) * Math.log2(alphabetSize(password));
  const level = bits < 28 ? 0 : bits < 42 ? 1 : bits < 58 ? 2 : bits < 74 ? 3 : 4;
  if (named) return { level: Math.min(level, 2) as PasswordStrength["level"], hint: "name" };
  if (repetitive && level < 3) return { level, hint: "repeats" };
  return { level, hint: level >= 3 ? "good" : "longer" };
}

/** The first thing wrong with a wished new password, before the server is asked. */
export function passwordProblem(change: PasswordChange): PasswordProblem | null {
  if (change.current === "") return "missing-current";
  if ([...change.next].length < PASSWORD_CHARACTERS_MIN) return "too-short";
  if ([...change.next].length > PASSWORD_CHARACTERS_MAX) return "too-long";
  if (change.next !== change.repeat) return "mismatch";
  if (change.current !== null && change.next === change.current) return "same-as-before";
  if (change.username !== "" && change.next.toLowerCase() === change.username.toLowerCase()) return "same-as-name";
  return null;
}

/** Characters that add something: neither the third of a repeat nor the third of a sequence. */
function countedCharacters(text: string): number {
  const characters = [...text];
  let counted = 0;
  for (let i = 0; i < characters.length; i += 1) {
    const [a, b, c] = [characters[i - 2], characters[i - 1], characters[i]];
    if (a !== undefined && b !== undefined && c !== undefined) {
      if (a === b && b === c) continue;
      if (SEQUENCES.includes(a + b + c) || SEQUENCES.includes(c + b + a)) continue;
    }
    counted += 1;
  }
  return counted;
}

/** Letters in what reads like words: four or more in a row, with vowels among them. */
function wordCharacters(text: string): number {
  let letters = 0;
  for (const [run] of text.matchAll(/\p{L}{4,}/gu)) {
    const vowels = run.match(/[aeiouyäöü]/g)?.length ?? 0;
    if (vowels / run.length >= 0.2) letters += [...run].length;
  }
  return letters;
}

function alphabetSize(password: string): number {
  let size = 0;
  if (/\p{Ll}/u.test(password)) size += 26;
  if (/\p{Lu}/u.test(password)) size += 26;
  if (/\d/.test(password)) size += 10;
  if (/[^\p{L}\d]/u.test(password)) size += 20;
  return Math.max(size, 10);
}
