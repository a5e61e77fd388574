/** A packet's metadata off the wire, without decoding the packet around it. */
import type { Fields } from "./fields.ts";
import { packetFields } from "./fields.ts";

const utf8 = new TextDecoder();

let at = 0;

/** The metadata of a packet that was scanned and that `fields` walked; a later pair of a name replaces an earlier one. */
export function readMetadata(bytes: Uint8Array, fields: Fields): Readonly<Record<string, string>> {
  const metadata: Record<string, string> = {};
  for (let i = 0; i < fields.length; i++) {
    if (fields.numbers[i] !== packetFields.metadata) continue;
    readPair(bytes, fields.bodies[i]!, fields.ends[i]!, metadata);
  }
  return metadata;
}

/** A packet whose pairs have other fields than these two was decoded and encoded anew before it came here. */
function readPair(bytes: Uint8Array, from: number, to: number, metadata: Record<string, string>): void {
  let key = "";
  let value = "";
  for (at = from; at < to;) {
    const tag = varint(bytes);
    const length = varint(bytes);
    const text = utf8.decode(bytes.subarray(at, at += length));
    if (tag === 0x0a) key = text;
    else if (tag === 0x12) value = text;
  }
  // a name like any other, and the only one that an assignment takes for something else
  if (key === "__proto__") {
    Object.defineProperty(metadata, key, { value, enumerable: true, configurable: true, writable: true });
  } else metadata[key] = value;
}

function varint(bytes: Uint8Array): number {
  let value = 0;
  for (let scale = 1;; scale *= 0x80) {
    const byte = bytes[at++]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
}
