/**
 * What the connector reads of a packet before it passes it on: its stream position, kind, and which frame it has.
 * The bytes were scanned before (`delivery/scan.ts`), so nothing here is checked again.
 */
import { envelopeMimeType, packetKeys } from "../contract/names.ts";
import type { Fields } from "./fields.ts";
import { packetFields } from "./fields.ts";

const utf8 = new TextDecoder();

/** One reused object; valid until the next read. */
export class PacketFacts {
  /** Field number of the frame, 0 for none. */
  frame = 0;
  /** A binary frame whose body is the packet envelope. */
  isEnvelopeFrame = false;
  hasStructs = false;
  isHeartbeat = false;
  /** `bubu.envelope.kind` of the metadata, which stands above the envelope's own; empty where there is none. */
  envelopeKind = "";
  /** Sequence of the stream envelope; 0: not sequenced. */
  sequence = 0;
  streamId = "";
  partition = "";
  isChunked = false;
  /** Ranges of the binary frame's body and MIME type. */
  blobStart = 0;
  blobEnd = 0;
  mimeStart = 0;
  mimeEnd = 0;
}

// Cursor of the varint last read.
let at = 0;

/** Reads the facts of the DataPacket that `fields` walked. */
export function readFacts(bytes: Uint8Array, fields: Fields, facts: PacketFacts): void {
  facts.frame = 0;
  facts.isEnvelopeFrame =
    facts.hasStructs =
    facts.isHeartbeat =
    facts.isChunked =
      false;
  facts.envelopeKind = facts.streamId = facts.partition = "";
  facts.sequence = 0;
  for (let i = 0; i < fields.length; i++) {
    const from = fields.bodies[i]!;
    const to = fields.ends[i]!;
    const number = fields.numbers[i]!;
    switch (number) {
      case packetFields.metadata:
        readPair(bytes, from, to, facts);
        break;
      case packetFields.payload:
      case packetFields.inputs:
      case packetFields.transports:
        facts.hasStructs = true;
        break;
      case packetFields.audio:
      case packetFields.video:
        facts.frame = number;
        break;
      case packetFields.binary:
        facts.frame = number;
        readBinary(bytes, from, to, facts);
        break;
      case packetFields.envelope:
        readEnvelope(bytes, from, to, facts);
        break;
    }
  }
}

function readPair(bytes: Uint8Array, from: number, to: number, facts: PacketFacts): void {
  at = from;
  let keyStart = 0;
  let keyEnd = 0;
  let valueStart = 0;
  let valueEnd = 0;
  while (at < to) {
    const tag = varint(bytes);
    const length = varint(bytes);
    if (tag === 0x0a) {
      keyStart = at;
      keyEnd = at + length;
    } else if (tag === 0x12) {
      valueStart = at;
      valueEnd = at + length;
    }
    at += length;
  }
  switch (keyEnd - keyStart) {
    case packetKeys.heartbeat.length:
      if (equals(bytes, keyStart, packetKeys.heartbeat)) {
        facts.isHeartbeat = valueEnd - valueStart === 4 && equals(bytes, valueStart, "true");
      }
      break;
    case packetKeys.envelopeKind.length:
      if (equals(bytes, keyStart, packetKeys.envelopeKind)) facts.envelopeKind = text(bytes, valueStart, valueEnd);
      break;
  }
}

function readBinary(bytes: Uint8Array, from: number, to: number, facts: PacketFacts): void {
  facts.blobStart =
    facts.blobEnd =
    facts.mimeStart =
    facts.mimeEnd =
      from;
  at = from;
  while (at < to) {
    const tag = varint(bytes);
    if ((tag & 7) !== 2) {
      varint(bytes);
      continue;
    }
    const length = varint(bytes);
    if (tag === 0x0a) {
      facts.blobStart = at;
      facts.blobEnd = at + length;
    } else if (tag === 0x12) {
      facts.mimeStart = at;
      facts.mimeEnd = at + length;
    }
    at += length;
  }
  const length = facts.mimeEnd - facts.mimeStart;
  if (length === envelopeMimeType.length && equals(bytes, facts.mimeStart, envelopeMimeType)) {
    facts.isEnvelopeFrame = true;
  } else if (length >= envelopeMimeType.length) {
    facts.isEnvelopeFrame = isEnvelopeMime(text(bytes, facts.mimeStart, facts.mimeEnd));
  }
}

/** Whether a MIME type is the packet envelope's, as the SDK compares: any case, parameters left out (6.10, 16). */
export function isEnvelopeMime(mimeType: string): boolean {
  return mimeType.split(";")[0]!.trim().toLowerCase() === envelopeMimeType;
}

function readEnvelope(bytes: Uint8Array, from: number, to: number, facts: PacketFacts): void {
  at = from;
  while (at < to) {
    const tag = varint(bytes);
    if ((tag & 7) === 2) {
      const length = varint(bytes);
      if (tag === 0x0a) facts.streamId = text(bytes, at, at + length);
      else if (tag === 0x1a) facts.partition = text(bytes, at, at + length);
      else if (tag === 0x22 && length > 0) facts.isChunked = true;
      at += length;
    } else {
      const value = varint(bytes);
      if (tag === 0x10) facts.sequence = value;
      else if (tag >= 0x28 && tag <= 0x40 && value !== 0) facts.isChunked = true;
    }
  }
}

function varint(bytes: Uint8Array): number {
  let byte = bytes[at++]!;
  if (byte < 0x80) return byte;
  let value = byte & 0x7f;
  for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
    byte = bytes[at++]!;
    value += (byte & 0x7f) * scale;
  }
  return value;
}

function equals(bytes: Uint8Array, start: number, expected: string): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected.charCodeAt(i)) return false;
  return true;
}

function text(bytes: Uint8Array, start: number, end: number): string {
  return start === end ? "" : utf8.decode(bytes.subarray(start, end));
}
