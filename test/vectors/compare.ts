/** Whether an answer is the recorded one, by the conventions of the vector files. */
import { Buffer } from "node:buffer";
import type { Answer, VectorCase } from "./topic.ts";

/** Null where the answer equals what is expected, else what differs. */
export function difference(expected: Pick<VectorCase, "output" | "error" | "class">, answer: Answer): string | null {
  if (expected.error !== undefined) {
    if (!("error" in answer)) return `expected the error ${show(expected.error)}, got ${show(answer.output)}`;
    if (expected.class !== undefined && expected.class !== answer.class) {
      return `expected class ${expected.class}, got ${answer.class} (${answer.error})`;
    }
    return isShownToUsers(expected.error) && expected.error !== answer.error
      ? `expected the error ${show(expected.error)}, got ${show(answer.error)}`
      : null;
  }
  if ("error" in answer) return `expected ${show(expected.output)}, got the error ${show(answer.error)}`;
  return compareValue(expected.output, answer.output, "");
}

/** Texts of Go's own libraries are for developers; only that there is an error counts. */
export function isShownToUsers(error: string): boolean {
  return !/^(?:template|proto|json):/.test(error);
}

/** Null for equal values; numbers are told apart to the sign of zero, members of objects have no order. */
export function compareValue(expected: unknown, actual: unknown, path: string): string | null {
  const special = compareSpecial(expected, actual);
  if (special !== undefined) return special ? null : differs(expected, actual, path);
  if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.length !== actual.length) return differs(expected, actual, path);
    return firstOf(expected.keys(), (i) => compareValue(expected[i], actual[i], `${path}[${i}]`));
  }
  if (isRecord(expected) && isRecord(actual)) {
    const keys = new Set([...Object.keys(expected), ...definedKeys(actual)]);
    return firstOf(keys, (key) => {
      if (!Object.hasOwn(expected, key) || !Object.hasOwn(actual, key)) {
        return differs(own(expected, key), own(actual, key), `${path}.${key}`);
      }
      return compareValue(expected[key], actual[key], `${path}.${key}`);
    });
  }
  return Object.is(expected, actual) ? null : differs(expected, actual, path);
}

/** Outputs that are told by a property of them; undefined where the expectation is a plain value. */
function compareSpecial(expected: unknown, actual: unknown): boolean | undefined {
  if (actual instanceof Uint8Array) {
    const hex = hexOf(actual);
    if (typeof expected === "string") return hexOf(new TextEncoder().encode(expected)) === hex;
    return isRecord(expected) && (expected["hex"] === hex || expected["utf8Hex"] === hex);
  }
  if (typeof actual !== "string" || !isRecord(expected)) return undefined;
  const { pattern, length } = expected;
  if (typeof pattern === "string") return new RegExp(`^(?:${pattern})$`, "su").test(actual);
  return typeof length === "number" ? new TextEncoder().encode(actual).length === length : undefined;
}

function firstOf<Key>(keys: Iterable<Key>, compare: (key: Key) => string | null): string | null {
  for (const key of keys) {
    const found = compare(key);
    if (found !== null) return found;
  }
  return null;
}

function differs(expected: unknown, actual: unknown, path: string): string {
  return `${path === "" ? "" : `${path}: `}expected ${show(expected)}, got ${show(actual)}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** Undefined members are absent ones, as in JSON. */
function definedKeys(value: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys(value).filter((key) => value[key] !== undefined);
}

function own(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function show(value: unknown): string {
  const text = value === undefined ? "nothing" : value instanceof Uint8Array ? hexOf(value) : JSON.stringify(value);
  return text.length <= 400 ? text : `${text.slice(0, 400)}… (${text.length} characters)`;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
