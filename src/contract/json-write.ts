/** JSON text with exactly the bytes that Go's `encoding/json` writes (control-plane B-22, E-02). */
import type { JsonValue } from "./resources.ts";

/** Orders texts by their UTF-8 bytes, which is the order of code points and not of UTF-16 units. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return fixOrder(x) - fixOrder(y);
  }
  return a.length - b.length;
}

/** Moves surrogates above U+E000–U+FFFF, where their characters belong. */
function fixOrder(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

const short: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  '"': '\\"',
  "\\": "\\\\",
};

// deno-lint-ignore no-control-regex
const escaped = /[\u0000-\u001f"\\<>&\u2028\u2029]/g;

/** A text as a JSON string: control characters, `<`, `>`, `&`, U+2028 and U+2029 escaped, all else verbatim. */
export function quoteJson(text: string): string {
  return `"${text.toWellFormed().replace(escaped, escape)}"`;
}

function escape(character: string): string {
  return short[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Compact JSON with keys sorted by UTF-8 bytes; the same value always gives the same bytes. Undefined members are left out. */
export function writeJson(value: JsonValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new Error(`${value} has no JSON form`);
    return Object.is(value, -0) ? "-0" : String(value);
  }
  if (typeof value === "string") return quoteJson(value);
  if (isArray(value)) return `[${value.map(writeJson).join(",")}]`;
  const members: string[] = [];
  for (const name of Object.keys(value).sort(compareUtf8)) {
    const member = value[name];
    if (member !== undefined) members.push(`${quoteJson(name)}:${writeJson(member)}`);
  }
  return `{${members.join(",")}}`;
}

// `Array.isArray` does not narrow readonly arrays.
function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Characters that Go writes as escapes also where a text is JSON already. */
const unsafe = /[<>&\u2028\u2029]/g;

/** What `JSON.stringify` wrote, with `<`, `>`, `&`, U+2028 and U+2029 escaped: `compactJson` of a text that is compact. */
export function escapeJson(text: string): string {
  return text.replace(unsafe, escape);
}

/**
 * Valid JSON text without white space between tokens and with `<`, `>`, `&`, U+2028 and U+2029 escaped; numbers,
 * key order and repeated names stay as they are. This is what Go does to raw JSON inside of a larger document.
 */
export function compactJson(text: string): string {
  let result = "";
  let copied = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i] ?? "";
    if (inString && character === "\\") {
      i++;
      continue;
    }
    if (character === '"') inString = !inString;
    const replacement = /[<>&\u2028\u2029]/.test(character) ? escape(character) : "";
    if (replacement === "" && (inString || !/[ \t\r\n]/.test(character))) continue;
    result += text.slice(copied, i) + replacement;
    copied = i + 1;
  }
  return result + text.slice(copied);
}
