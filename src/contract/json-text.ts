/**
 * JSON text as Go's `encoding/json` reads and writes it, which is what every existing peer and operator uses.
 * Knows syntax, spans and bytes; refuses to know what the values mean.
 */
import type { JsonValue } from "./resources.ts";

/** A parsed value with its place in the text, so that number text, repeated names and raw bytes stay visible. */
export type JsonNode =
  | { readonly kind: "object"; readonly start: number; readonly end: number; readonly members: readonly JsonMember[] }
  | { readonly kind: "array"; readonly start: number; readonly end: number; readonly items: readonly JsonNode[] }
  | { readonly kind: "string"; readonly start: number; readonly end: number; readonly text: string }
  | { readonly kind: "number"; readonly start: number; readonly end: number; readonly text: string }
  | { readonly kind: "bool"; readonly start: number; readonly end: number; readonly value: boolean }
  | { readonly kind: "null"; readonly start: number; readonly end: number };

/** One member of an object, in the order of the text; names may repeat. */
export interface JsonMember {
  readonly name: string;
  readonly value: JsonNode;
}

/** What became of a text: its tree, or the sentence that Go says about the first bad byte. */
export type JsonParse = { readonly node: JsonNode } | { readonly fault: string };

/** Objects and arrays may stand this deep in each other. */
const maxDepth = 10_000;

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of a text; lone surrogates become U+FFFD. */
export function utf8Bytes(text: string): Uint8Array {
  return utf8.encode(text);
}

/** Text of UTF-8 bytes as Go reads it: each byte that belongs to no character becomes one U+FFFD. */
export function utf8Text(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    // A WHATWG decoder replaces a broken sequence by one U+FFFD, Go each of its bytes.
    let text = "";
    for (let i = 0; i < bytes.length;) {
      const size = characterSize(bytes, i);
      text += size === 0 ? "\ufffd" : strictUtf8.decode(bytes.subarray(i, i + size));
      i += size === 0 ? 1 : size;
    }
    return text;
  }
}

/** Whether bytes are well-formed UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    strictUtf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function characterSize(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const size = first >= 0xc2 && first <= 0xdf ? 2 : first >> 4 === 0xe ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  return size > 0 && at + size <= bytes.length && isUtf8(bytes.subarray(at, at + size)) ? size : 0;
}

type Open =
  | { readonly kind: "object"; readonly start: number; readonly members: JsonMember[]; name: string }
  | { readonly kind: "array"; readonly start: number; readonly items: JsonNode[] };

/** Where the reader stands between two tokens. */
type Expect = "value" | "valueOrEnd" | "name" | "nameOrEnd" | "colon" | "commaOrEnd" | "nothing";

/**
 * Reads one JSON value that fills the whole text, with Go's leniency (ill-formed UTF-8 and lone surrogates become
 * U+FFFD) and Go's words for the first fault, for example `unexpected end of JSON input`.
 */
export function parseJson(input: string | Uint8Array): JsonParse {
  const bytes = typeof input === "string" ? utf8Bytes(input) : input;
  const stack: Open[] = [];
  // Changed by `close` too, which control flow analysis does not see.
  let expect = "value" as Expect;
  let root: JsonNode | undefined;
  let at = 0;

  const close = (node: JsonNode): void => {
    const outer = stack.at(-1);
    if (outer === undefined) {
      root = node;
      expect = "nothing";
      return;
    }
    if (outer.kind === "array") outer.items.push(node);
    else outer.members.push({ name: outer.name, value: node });
    expect = "commaOrEnd";
  };
  const closeOpen = (): void => {
    const open = stack.pop();
    if (open === undefined) throw new Error("a JSON container ended that was never opened");
    const span = { start: open.start, end: at + 1 };
    close(
      open.kind === "array"
        ? { ...span, kind: "array", items: open.items }
        : { ...span, kind: "object", members: open.members },
    );
  };

  for (; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (isSpace(byte)) continue;
    switch (expect) {
      case "nothing":
        return { fault: invalid(byte, "after top-level value") };
      case "colon":
        if (byte !== 0x3a) return { fault: invalid(byte, "after object key") };
        expect = "value";
        continue;
      case "commaOrEnd": {
        const inObject: boolean = stack.at(-1)?.kind === "object";
        if (byte === 0x2c) expect = inObject ? "name" : "value";
        else if (byte === (inObject ? 0x7d : 0x5d)) closeOpen();
        else return { fault: invalid(byte, inObject ? "after object key:value pair" : "after array element") };
        continue;
      }
      case "nameOrEnd":
      case "name": {
        if (expect === "nameOrEnd" && byte === 0x7d) {
          closeOpen();
          continue;
        }
        if (byte !== 0x22) return { fault: invalid(byte, "looking for beginning of object key string") };
        const token = readString(bytes, at);
        if ("fault" in token) return token;
        const open = stack.at(-1);
        if (open?.kind === "object") open.name = token.text;
        at = token.end - 1;
        expect = "colon";
        continue;
      }
      case "valueOrEnd":
        if (byte === 0x5d) {
          closeOpen();
          continue;
        }
        break;
      case "value":
        break;
      default:
        expect satisfies never;
    }
    if (byte === 0x7b || byte === 0x5b) {
      if (stack.length >= maxDepth) return { fault: invalid(byte, "exceeded max depth") };
      stack.push(
        byte === 0x7b ? { kind: "object", start: at, members: [], name: "" } : { kind: "array", start: at, items: [] },
      );
      expect = byte === 0x7b ? "nameOrEnd" : "valueOrEnd";
      continue;
    }
    const token = readScalar(bytes, at);
    if ("fault" in token) return token;
    at = token.end - 1;
    close(token);
  }
  return root === undefined ? { fault: unexpectedEnd } : { node: root };
}

const unexpectedEnd = "unexpected end of JSON input";

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Go's scanner sees the end of the text as one blank, then says that more was expected. */
function badByte(bytes: Uint8Array, at: number, context: string): { readonly fault: string } {
  return { fault: invalid(bytes[at] ?? 0x20, context) };
}

function invalid(byte: number, context: string): string {
  return `invalid character ${quoteByte(byte)} ${context}`;
}

/** A byte as Go quotes it: as the Latin-1 character of that number. */
function quoteByte(byte: number): string {
  const short: Readonly<Record<number, string>> = {
    7: "\\a",
    8: "\\b",
    9: "\\t",
    10: "\\n",
    11: "\\v",
    12: "\\f",
    13: "\\r",
    39: "\\'",
    92: "\\\\",
  };
  const known = short[byte];
  if (known !== undefined) return `'${known}'`;
  if (byte < 0x20 || byte === 0x7f) return `'\\x${byte.toString(16).padStart(2, "0")}'`;
  if ((byte > 0x7f && byte <= 0xa0) || byte === 0xad) return `'\\u${byte.toString(16).padStart(4, "0")}'`;
  return `'${String.fromCharCode(byte)}'`;
}

type Scalar = Exclude<JsonNode, { readonly kind: "object" | "array" }>;

function readScalar(bytes: Uint8Array, start: number): Scalar | { readonly fault: string } {
  const first = bytes[start] ?? 0;
  if (first === 0x22) {
    const token = readString(bytes, start);
    return "fault" in token ? token : { kind: "string", start, ...token };
  }
  if (first === 0x2d || isDigit(first)) return readNumber(bytes, start);
  for (const word of ["true", "false", "null"] as const) {
    if (first !== word.charCodeAt(0)) continue;
    for (let i = 1; i < word.length; i++) {
      if (bytes[start + i] !== word.charCodeAt(i)) {
        return badByte(bytes, start + i, `in literal ${word} (expecting '${word[i]}')`);
      }
    }
    const end = start + word.length;
    return word === "null" ? { kind: "null", start, end } : { kind: "bool", start, end, value: word === "true" };
  }
  return { fault: invalid(first, "looking for beginning of value") };
}

function readNumber(bytes: Uint8Array, start: number): Scalar | { readonly fault: string } {
  let at = start;
  const digits = (): void => {
    while (isDigit(bytes[at] ?? 0)) at++;
  };
  if (bytes[at] === 0x2d) at++;
  if (!isDigit(bytes[at] ?? 0)) return badByte(bytes, at, "in numeric literal");
  if (bytes[at] === 0x30) at++;
  else digits();
  if (bytes[at] === 0x2e) {
    at++;
    if (!isDigit(bytes[at] ?? 0)) return badByte(bytes, at, "after decimal point in numeric literal");
    digits();
  }
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    at++;
    if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
    if (!isDigit(bytes[at] ?? 0)) return badByte(bytes, at, "in exponent of numeric literal");
    digits();
  }
  return { kind: "number", start, end: at, text: utf8Text(bytes.subarray(start, at)) };
}

const escapes: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  "\\": "\\",
  "/": "/",
  '"': '"',
};

function readString(
  bytes: Uint8Array,
  start: number,
): { readonly text: string; readonly end: number } | { readonly fault: string } {
  let text = "";
  let plain = start + 1;
  for (let at = start + 1; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0x22) {
      return { text: (text + utf8Text(bytes.subarray(plain, at))).toWellFormed(), end: at + 1 };
    }
    if (byte < 0x20) return { fault: invalid(byte, "in string literal") };
    if (byte !== 0x5c) continue;
    text += utf8Text(bytes.subarray(plain, at));
    at++;
    if (at === bytes.length) break;
    const letter = String.fromCharCode(bytes[at] ?? 0);
    if (letter === "u") {
      for (let i = 1; i <= 4; i++) {
        if (!/^[0-9a-fA-F]$/.test(String.fromCharCode(bytes[at + i] ?? 0x20))) {
          return badByte(bytes, at + i, "in \\u hexadecimal character escape");
        }
      }
      text += String.fromCharCode(Number.parseInt(String.fromCharCode(...bytes.subarray(at + 1, at + 5)), 16));
      at += 4;
    } else {
      const plainText = escapes[letter];
      if (plainText === undefined) return { fault: invalid(bytes[at] ?? 0, "in string escape code") };
      text += plainText;
    }
    plain = at + 1;
  }
  // The blank that Go adds at the end is refused inside an escape and harmless inside a string.
  const last = bytes[bytes.length - 1];
  return { fault: last === 0x5c && plain < bytes.length ? invalid(0x20, "in string escape code") : unexpectedEnd };
}

/** Values may be nested this deep; far below what a stack of calls holds, far above what settings need. */
export const maxValueDepth = 1_000;

/** A plain value, or why a tree has none. */
export type JsonRead = { readonly value: JsonValue } | { readonly fault: string };

/** The plain value of a tree; of repeated names the last counts, whole. A number beyond float64 has none. */
export function jsonValue(node: JsonNode): JsonRead {
  const faults: string[] = [];
  const value = plainValue(node, 0, faults);
  const [fault] = faults;
  return fault === undefined ? { value } : { fault };
}

function plainValue(node: JsonNode, depth: number, faults: string[]): JsonValue {
  if (depth > maxValueDepth) {
    faults.push(`value is nested more than ${maxValueDepth} deep`);
    return null;
  }
  switch (node.kind) {
    case "null":
      return null;
    case "bool":
      return node.value;
    case "string":
      return node.text;
    case "number": {
      const value = Number(node.text);
      if (!Number.isFinite(value)) {
        faults.push(`json: cannot unmarshal number ${node.text} into Go value of type float64`);
      }
      return value;
    }
    case "array":
      return node.items.map((item) => plainValue(item, depth + 1, faults));
    case "object":
      return Object.fromEntries(
        node.members.map((member) => [member.name, plainValue(member.value, depth + 1, faults)]),
      );
    default:
      return node satisfies never;
  }
}
