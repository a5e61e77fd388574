/** `google.protobuf.Struct` off the wire as plain JSON values, without the message classes: once per structured packet. */
import type { JsonValue } from "../contract/resources.ts";

const utf8 = new TextDecoder();
const double = new DataView(new ArrayBuffer(8));

/** A JSON object that is being made. */
type Members = Record<string, JsonValue>;

/** Deepest nesting that is read; what lies deeper is null (the decoder of Go stops at 10000). */
const maxDepth = 500;

let at = 0;

/** The object at `bytes[start, end)`, whose encoding was checked. A later member replaces an earlier one. */
export function readStruct(bytes: Uint8Array, start: number, end: number): Members {
  at = start;
  return struct(bytes, end, 0);
}

function struct(bytes: Uint8Array, end: number, depth: number): Members {
  const object: Members = {};
  while (at < end) {
    const tag = varint(bytes);
    const to = bodyEnd(bytes, tag);
    if (tag !== 0x0a) {
      at = to;
      continue;
    }
    let key = "";
    let value: JsonValue = null;
    while (at < to) {
      const inner = varint(bytes);
      const innerEnd = bodyEnd(bytes, inner);
      if (inner === 0x0a) key = text(bytes, innerEnd);
      else if (inner === 0x12) value = valueOf(bytes, innerEnd, depth);
      at = innerEnd;
    }
    // a name like any other, and the only one that an assignment takes for something else
    if (key === "__proto__") {
      Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
    } else object[key] = value;
  }
  return object;
}

function valueOf(bytes: Uint8Array, end: number, depth: number): JsonValue {
  let value: JsonValue = null;
  while (at < end) {
    const tag = varint(bytes);
    switch (tag) {
      case 0x08:
        varint(bytes);
        value = null;
        break;
      case 0x11: {
        for (let i = 0; i < 8; i++) double.setUint8(i, bytes[at++]!);
        const number = double.getFloat64(0, true);
        value = Number.isFinite(number) ? number : null;
        break;
      }
      case 0x20:
        value = varint(bytes) !== 0;
        break;
      default: {
        const to = bodyEnd(bytes, tag);
        if (tag === 0x1a) value = text(bytes, to);
        else if (tag === 0x2a) value = depth < maxDepth ? struct(bytes, to, depth + 1) : null;
        else if (tag === 0x32) value = depth < maxDepth ? list(bytes, to, depth + 1) : null;
        at = to;
      }
    }
  }
  return value;
}

function list(bytes: Uint8Array, end: number, depth: number): JsonValue[] {
  const items: JsonValue[] = [];
  while (at < end) {
    const tag = varint(bytes);
    const to = bodyEnd(bytes, tag);
    if (tag === 0x0a) items.push(valueOf(bytes, to, depth));
    at = to;
  }
  return items;
}

/** Moves behind the length of a length-delimited field; a field of another wire type is skipped whole. */
function bodyEnd(bytes: Uint8Array, tag: number): number {
  switch (tag & 7) {
    case 2: {
      const length = varint(bytes);
      if (at + length > bytes.length) throw new RangeError("a Struct reaches past its packet");
      return at + length;
    }
    case 0:
      varint(bytes);
      return at;
    case 1:
      return at += 8;
    case 5:
      return at += 4;
    default:
      throw new RangeError(`a Struct has a field of wire type ${tag & 7}`);
  }
}

function text(bytes: Uint8Array, end: number): string {
  return utf8.decode(bytes.subarray(at, end));
}

function varint(bytes: Uint8Array): number {
  let value = 0;
  let scale = 1;
  for (let count = 0; count < 10; count++) {
    const byte = bytes[at++];
    if (byte === undefined) throw new RangeError("a Struct ends inside of a number");
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 0x80;
  }
  throw new RangeError("a number in a Struct has more than ten bytes");
}
