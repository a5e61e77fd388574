/**
 * What an engram's SDK is given of a packet (data-plane 6.5, 6.10): frames as they are, structured packets as an
 * envelope frame whose JSON is complete, and never what would end its session.
 */
import { fromBinary, fromJson, toBinary } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { DataPacketSchema } from "../../gen/transport/v1/hub_pb.ts";
import { envelopeMimeType, packetKeys } from "../contract/names.ts";
import { type PacketEnvelope, writeOwnEnvelope, writePacketEnvelope } from "../contract/packet-envelope.ts";
import type { JsonObject } from "../contract/resources.ts";
import { sameJson } from "../contract/same-json.ts";
import { field, join, varint } from "../delivery/encode.ts";
import type { Slab } from "../delivery/slab.ts";
import { type EnvelopeHead, readEnvelopeHead } from "./envelope-head.ts";
import { type Fields, packetFields, toEngramForm } from "./fields.ts";
import { isMediaUsable } from "./media.ts";
import { readMetadata } from "./metadata.ts";
import type { PacketFacts } from "./packet-facts.ts";
import { readStruct } from "./struct-json.ts";

/** A DataResponse in parts; null: nothing that an SDK would take can be made of the packet. */
export type EngramPacket = readonly Uint8Array[] | null;

const utf8 = new TextEncoder();
const noBytes = new Uint8Array(0);
/** Field 2 of a binary frame. */
const mime = field(2, utf8.encode(envelopeMimeType));

/** The DataPacket at `bytes[start, end)`, which was scanned, with its walk and its facts. */
export function toEngram(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: Fields,
  facts: PacketFacts,
  slab: Slab,
): EngramPacket {
  const kind = facts.envelopeKind;
  if (facts.isHeartbeat || isEmptyKind(kind)) return keepAlive(bytes, fields);
  if (kind !== "" && !isKind(kind)) return null;
  if (facts.frame === 0) {
    return facts.hasStructs
      ? structured(bytes, start, end, fields, slab)
      : toEngramForm(bytes, start, end, fields, slab);
  }
  if (facts.isEnvelopeFrame) return enveloped(bytes, start, end, fields, facts, slab);
  if (kind === "error") return structured(bytes, start, end, fields, slab);
  if (facts.frame !== packetFields.binary) {
    const index = fields.last(facts.frame);
    if (!isMediaUsable(bytes, fields.bodies[index]!, fields.ends[index]!, facts.frame)) return null;
  }
  return toEngramForm(bytes, start, end, fields, slab);
}

/** A packet without a frame is a keep-alive for the SDK: dropped, with a receipt where it is sequenced (6.10, 11). */
function keepAlive(bytes: Uint8Array, fields: Fields): EngramPacket {
  const index = fields.last(packetFields.envelope);
  const mark = field(4, join([field(1, utf8.encode(packetKeys.heartbeat)), field(2, utf8.encode("true"))]));
  if (index < 0) return [mark];
  return [join([mark, bytes.subarray(fields.starts[index]!, fields.ends[index]!)])];
}

/** An engram's own envelope frame. Structs beside it say what the hub made of it, and win (W-42, D-052). */
function enveloped(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: Fields,
  facts: PacketFacts,
  slab: Slab,
): EngramPacket {
  const head = readEnvelopeHead(bytes.subarray(facts.blobStart, facts.blobEnd));
  if (head === null) return null;
  const kind = facts.envelopeKind || head.kind;
  if (isEmptyKind(kind)) return keepAlive(bytes, fields);
  if (kind !== "" && !isKind(kind)) return null;
  if (kind !== "error" && !facts.hasStructs) return toEngramForm(bytes, start, end, fields, slab);
  if (kind !== "error" && isComplete(bytes, fields, head)) return toEngramForm(...withoutStructs(bytes, fields), slab);
  return rebuilt(bytes, start, end, fields, kind, head.whole(), slab);
}

function isComplete(bytes: Uint8Array, fields: Fields, head: EnvelopeHead): boolean {
  const payload = fields.last(packetFields.payload);
  if (payload >= 0 && !sameJson(readStruct(bytes, fields.bodies[payload]!, fields.ends[payload]!), head.payload)) {
    return false;
  }
  const inputs = fields.last(packetFields.inputs);
  if (inputs >= 0 && !sameJson(readStruct(bytes, fields.bodies[inputs]!, fields.ends[inputs]!), head.inputs)) {
    return false;
  }
  return fields.last(packetFields.transports) < 0 || head.hasTransports;
}

/** The packet without payload, inputs and transports, and its walk. */
function withoutStructs(bytes: Uint8Array, fields: Fields): [Uint8Array, number, number, Fields] {
  const kept: Uint8Array[] = [];
  for (let i = 0; i < fields.length; i++) {
    const number = fields.numbers[i]!;
    if (number >= packetFields.payload && number <= packetFields.transports) continue;
    kept.push(bytes.subarray(fields.starts[i]!, fields.ends[i]!));
  }
  const joined = join(kept);
  fields.walk(joined, 0, joined.length);
  return [joined, 0, joined.length, fields];
}

/** A packet of payload, inputs or transports alone, or one whose kind takes no frame. */
function structured(bytes: Uint8Array, start: number, end: number, fields: Fields, slab: Slab): EngramPacket {
  const metadata = readMetadata(bytes, fields);
  const asked = metadata[packetKeys.envelopeKind] || metadata[packetKeys.kind] || "";
  if (isEmptyKind(asked)) return keepAlive(bytes, fields);
  const timestamp = metadata[packetKeys.timestampMs] ?? "";
  const envelope: Partial<PacketEnvelope> = {
    kind: isKind(asked) ? asked : "",
    messageId: metadata[packetKeys.messageId] ?? "",
    timestampMs: /^[0-9]{1,18}$/.test(timestamp) ? BigInt(timestamp) : 0n,
    metadata,
  };
  return rebuilt(bytes, start, end, fields, asked, envelope, slab);
}

/** The packet with an envelope frame made of `envelope` and, where it has them, its Structs. */
function rebuilt(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: Fields,
  kind: string,
  envelope: Partial<PacketEnvelope>,
  slab: Slab,
): EngramPacket {
  const struct = (number: number): JsonObject | undefined => {
    const index = fields.last(number);
    return index < 0 ? undefined : readStruct(bytes, fields.bodies[index]!, fields.ends[index]!);
  };
  const payload = rawOf(struct(packetFields.payload), envelope.payload);
  const inputs = rawOf(struct(packetFields.inputs), envelope.inputs);
  const isError = kind === "error";
  const whole: Partial<PacketEnvelope> = {
    ...envelope,
    // the SDK takes an error's payload for a frame where the JSON has it
    payload: isError ? undefined : payload,
    inputs,
    transports: envelope.transports?.length ? envelope.transports : transportsOf(bytes, start, end, fields),
  };
  const isOurs = envelope.payload === undefined && envelope.inputs === undefined;
  let json: string;
  try {
    json = isOurs ? writeOwnEnvelope(whole) : writePacketEnvelope(whole);
  } catch {
    // members that are no JSON: an SDK would not take them either
    return null;
  }
  const body = isError ? errorPayload(payload) : noBytes;
  if (body === null) return null;
  const frame = envelopeFrame(utf8.encode(json), whole.timestampMs ?? 0n);
  let length = frame.length;
  for (let i = 0; i < fields.length; i++) if (isKept(fields, i)) length += fields.ends[i]! - fields.starts[i]!;
  const packet = slab.take(length);
  packet.set(frame);
  let at = frame.length;
  for (let i = 0; i < fields.length; i++) {
    if (!isKept(fields, i)) continue;
    const tagAt = at;
    packet.set(bytes.subarray(fields.starts[i]!, fields.ends[i]!), at);
    at += fields.ends[i]! - fields.starts[i]!;
    packet[tagAt] = (fields.numbers[i] === packetFields.metadata ? 4 : 8) << 3 | 2;
  }
  return isError ? [join([packet, field(5, body)])] : [packet];
}

/** Whether a field goes along as it is, but for its number. */
function isKept(fields: Fields, index: number): boolean {
  return fields.numbers[index] === packetFields.metadata || fields.numbers[index] === packetFields.envelope;
}

/** Field 3 of a DataResponse: a binary frame with the envelope's JSON, its MIME type and, where there is one, its time. */
function envelopeFrame(json: Uint8Array, timestampMs: bigint): Uint8Array {
  const head = varint(json.length);
  const time = timestampMs > 0n ? [0x18, ...varint64(timestampMs)] : [];
  const length = 1 + head.length + json.length + mime.length + time.length;
  const prefix = varint(length);
  const frame = new Uint8Array(1 + prefix.length + length);
  frame[0] = 0x1a;
  frame.set(prefix, 1);
  let at = 1 + prefix.length;
  frame[at++] = 0x0a;
  frame.set(head, at);
  frame.set(json, at += head.length);
  frame.set(mime, at += json.length);
  frame.set(time, at + mime.length);
  return frame;
}

function varint64(value: bigint): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}

/** The descriptors of the packet; rare, so that the packet is decoded for them. */
function transportsOf(bytes: Uint8Array, start: number, end: number, fields: Fields): PacketEnvelope["transports"] {
  if (fields.last(packetFields.transports) < 0) return [];
  return fromBinary(DataPacketSchema, bytes.subarray(start, end)).transports.map((each) => ({
    name: each.name,
    kind: each.kind,
    mode: each.mode,
    ...(each.typedConfig === undefined ? {} : {
      typedConfig: { transportRef: each.typedConfig.transportRef, modeReason: each.typedConfig.modeReason },
    }),
  }));
}

/** Raw JSON of a member: the Struct's unless it says the same as what the envelope has, whose text is exact. */
function rawOf(struct: JsonObject | undefined, raw: string | undefined): string | undefined {
  if (struct === undefined) return raw;
  return raw !== undefined && sameJson(parsed(raw), struct) ? raw : JSON.stringify(struct);
}

function parsed(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return undefined;
  }
}

/** A StructuredError as a Struct; null where an error says nothing, which ends a session as well. */
function errorPayload(raw: string | undefined): Uint8Array | null {
  const value = raw === undefined ? undefined : parsed(raw);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return toBinary(StructSchema, fromJson(StructSchema, value as Parameters<typeof fromJson>[1]));
}

/** Kinds that the SDK refuses to see with any content. */
function isEmptyKind(kind: string): boolean {
  return kind === "noop" || kind === "heartbeat";
}

function isKind(kind: string): boolean {
  return /^[A-Za-z0-9._-]+$/.test(kind);
}
