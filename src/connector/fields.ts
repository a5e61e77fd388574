/**
 * The two numberings of a packet: DataPacket toward hub and peers, DataRequest and DataResponse toward the engram
 * (data-plane 1.3). Every field of a packet is length-delimited and has a tag of one byte in both, so that a packet
 * changes its numbering by changing the tags, and nothing else moves.
 */

import type { Slab } from "../delivery/slab.ts";

/** Field numbers of DataPacket. */
export const packetFields = {
  metadata: 1,
  payload: 2,
  inputs: 3,
  transports: 4,
  audio: 5,
  video: 6,
  binary: 7,
  envelope: 8,
} as const;

// By field number of the other form, index 0 unused: payloads of DataRequest and DataResponse share one numbering.
const engramOfPacket = [0, 4, 5, 6, 7, 1, 2, 3, 8];
const packetOfEngram = [0, 5, 6, 7, 1, 2, 3, 4, 8];

/** Bodies above this size are passed on as slices of what came, below it they are copied. */
const copyBelowBytes = 4096;

/** Top-level fields of a packet, as they lie in its bytes; one reused object, valid until the next walk. */
export class Fields {
  readonly numbers: number[] = [];
  /** Offset of each field's tag. */
  readonly starts: number[] = [];
  /** Offset of each field's body; it ends where the next field starts. */
  readonly bodies: number[] = [];
  readonly ends: number[] = [];

  get length(): number {
    return this.numbers.length;
  }

  /**
   * Walks `bytes[start, end)`. False where a field is not one of the eight, or not length-delimited: perhaps a valid
   * packet, but one to be decoded.
   */
  walk(bytes: Uint8Array, start: number, end: number): boolean {
    this.numbers.length =
      this.starts.length =
      this.bodies.length =
      this.ends.length =
        0;
    let at = start;
    while (at < end) {
      const tag = bytes[at]!;
      if (tag < 0x0a || tag > 0x42 || (tag & 7) !== 2) return false;
      const fieldStart = at++;
      let length = 0;
      let scale = 1;
      for (;;) {
        if (at >= end || scale > 0x1000_0000) return false;
        const byte = bytes[at++]!;
        length += (byte & 0x7f) * scale;
        if (byte < 0x80) break;
        scale *= 0x80;
      }
      if (at + length > end) return false;
      this.numbers.push(tag >> 3);
      this.starts.push(fieldStart);
      this.bodies.push(at);
      at += length;
      this.ends.push(at);
    }
    return true;
  }

  /** Index of the last field of a number, or -1. */
  last(number: number): number {
    return this.numbers.lastIndexOf(number);
  }
}

/**
 * The fields of a DataRequest as a ProcessRequest with that DataPacket. `fields` is its walk. In one piece, or in three of which
 * the middle one is the long body of a frame or a Struct, where it came.
 */
export function toPacketForm(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: Fields,
  slab: Slab,
): Uint8Array[] {
  return renumber(bytes, start, end, fields, packetOfEngram, slab, prefixLength(end - start));
}

/** The fields of a DataPacket as a DataResponse. `fields` is its walk. */
export function toEngramForm(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: Fields,
  slab: Slab,
): Uint8Array[] {
  return renumber(bytes, start, end, fields, engramOfPacket, slab, 0);
}

/** Bytes of a ProcessRequest before its packet of `length` bytes. */
function prefixLength(length: number): number {
  return 1 + (length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : length < 0x1000_0000 ? 4 : 5);
}

function renumber(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: Fields,
  numbers: readonly number[],
  slab: Slab,
  prefix: number,
): Uint8Array[] {
  const isLong = end - start > copyBelowBytes;
  const [bulkStart, bulkEnd] = isLong ? findBulk(bytes, end, fields, numbers) : [end, end];
  // not `slice`, which does not copy where the bytes are a Buffer
  const head = slab.take(prefix + bulkStart - start);
  if (prefix > 0) {
    head[0] = 0x0a;
    let rest = end - start;
    for (let at = 1; at < prefix; at++, rest = Math.floor(rest / 0x80)) {
      head[at] = at < prefix - 1 ? rest & 0x7f | 0x80 : rest;
    }
  }
  head.set(bytes.subarray(start, bulkStart), prefix);
  const hasTail = bulkEnd < end;
  const tail = hasTail ? slab.take(end - bulkEnd) : head;
  if (hasTail) tail.set(bytes.subarray(bulkEnd, end));
  for (let i = 0; i < fields.length; i++) {
    const tag = numbers[fields.numbers[i]!]! << 3 | 2;
    const tagAt = fields.starts[i]!;
    if (tagAt < bulkStart) head[tagAt - start + prefix] = tag;
    else tail[tagAt - bulkEnd] = tag;
  }
  if (bulkStart === end) return [head];
  const bulk = bytes.subarray(bulkStart, bulkEnd);
  return hasTail ? [head, bulk, tail] : [head, bulk];
}

/** The longest body that nobody looks into: of a Struct, or of field 1 of a frame, which is its blob in all kinds. */
function findBulk(
  bytes: Uint8Array,
  end: number,
  fields: Fields,
  numbers: readonly number[],
): readonly [number, number] {
  let longest: readonly [number, number] = [end, end];
  for (let i = 0; i < fields.length; i++) {
    let from = fields.bodies[i]!;
    let to = fields.ends[i]!;
    if (to - from <= longest[1] - longest[0]) continue;
    const number = numbers === engramOfPacket ? fields.numbers[i]! : numbers[fields.numbers[i]!]!;
    const isFrame = number >= packetFields.audio && number <= packetFields.binary;
    // its other fields are read on the way: only the blob may lie apart, and only where it comes first
    if (isFrame && bytes[from] !== 0x0a) continue;
    if (isFrame) {
      let at = from + 1;
      let length = 0;
      let scale = 1;
      for (let byte = 0x80; byte >= 0x80 && at < to; scale *= 0x80) {
        byte = bytes[at++]!;
        length += (byte & 0x7f) * scale;
      }
      if (at + length > to) continue;
      from = at;
      to = at + length;
    }
    // its last byte stays with what follows: the scan of what is around it wants to see where it ends
    if (to - 1 - from > longest[1] - longest[0]) longest = [from, to - 1];
  }
  return longest;
}
