/**
 * Protobuf bytes as Go reads and writes them (data-plane D-001): what Go refuses is refused, and the encoding is
 * deterministic: fields by number, map entries by key, unknown fields last. protobuf-es keeps the order of maps,
 * and takes some bytes that Go does not.
 */
import { ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { TransportError } from "./errors.ts";
import { isUtf8, utf8Bytes, utf8Text } from "./json-text.ts";
import { compareUtf8 } from "./json-write.ts";

/** A message in canonical form. */
export interface CanonicalMessage {
  readonly bytes: Uint8Array;
  /** The same without the fields that the schema does not know, at any depth. */
  readonly knownBytes: Uint8Array;
  /** How many bytes of unknown fields there are, at any depth; they are kept as they came. */
  readonly unknownBytes: number;
  /** False where no ProtoJSON exists: a Value without kind, or a number that is not finite. */
  readonly hasJson: boolean;
}

/** Messages in messages. Go goes ten times as deep, more than a stack of calls holds here. */
const maxDepth = 1_000;

/** Reads a message strictly and writes it deterministically. Throws `InvalidPacket` where Go refuses the bytes. */
export function canonicalMessage(schema: DescMessage, bytes: Uint8Array): CanonicalMessage {
  const node = emptyNode(schema);
  readInto(node, new Bytes(bytes), 0);
  return {
    bytes: writeMessage(node, true),
    knownBytes: writeMessage(node, false),
    unknownBytes: countUnknown(node),
    hasJson: hasJson(node),
  };
}

/** A read message: values by field number, and bytes that belong to none. */
interface Node {
  readonly schema: DescMessage;
  readonly values: Map<number, Value>;
  readonly unknown: Uint8Array[];
}

type Value =
  /** Tag and value as they are written. */
  | { readonly kind: "scalar"; readonly encoded: readonly number[] }
  | { readonly kind: "message"; readonly node: Node }
  | { readonly kind: "list"; readonly items: Value[] }
  | { readonly kind: "map"; readonly entries: Map<string, Value> };

function emptyNode(schema: DescMessage): Node {
  return { schema, values: new Map(), unknown: [] };
}

function malformed(): never {
  throw new TransportError("InvalidPacket", "proto: cannot parse invalid wire-format data");
}

/** A reader over a part of a buffer. */
class Bytes {
  readonly data: Uint8Array;
  at = 0;

  constructor(data: Uint8Array) {
    this.data = data;
  }

  get done(): boolean {
    return this.at >= this.data.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let i = 0n; i < 10n; i++) {
      const byte = this.data[this.at];
      if (byte === undefined) malformed();
      this.at++;
      if (i === 9n && byte > 1) malformed();
      value |= BigInt(byte & 0x7f) << (7n * i);
      if (byte < 0x80) return value;
    }
    malformed();
  }

  take(count: number): Uint8Array {
    const end = this.at + count;
    if (end > this.data.length) malformed();
    const part = this.data.subarray(this.at, end);
    this.at = end;
    return part;
  }

  delimited(): Uint8Array {
    const length = this.varint();
    return length > BigInt(this.data.length) ? malformed() : this.take(Number(length));
  }

  tag(): { readonly number: number; readonly type: number } {
    const tag = this.varint();
    const number = tag >> 3n;
    if (number < 1n || number > 536_870_911n) malformed();
    return { number: Number(number), type: Number(tag & 7n) };
  }

  /** Steps over a value of a wire type, a group with all that is in it. */
  skip(number: number, type: number, depth: number): void {
    if (depth > maxDepth) malformed();
    if (type === 0) this.varint();
    else if (type === 1) this.take(8);
    else if (type === 2) this.delimited();
    else if (type === 5) this.take(4);
    else if (type === 3) {
      for (;;) {
        const tag = this.tag();
        if (tag.type === 4) {
          if (tag.number !== number) malformed();
          return;
        }
        this.skip(tag.number, tag.type, depth + 1);
      }
    } else malformed();
  }
}

function readInto(node: Node, bytes: Bytes, depth: number): void {
  if (depth > maxDepth) malformed();
  while (!bytes.done) {
    const start = bytes.at;
    const { number, type } = bytes.tag();
    const field = node.schema.fields.find((candidate) => candidate.number === number);
    if (field === undefined || type !== wireType(field)) {
      bytes.skip(number, type, 0);
      node.unknown.push(bytes.data.subarray(start, bytes.at));
      continue;
    }
    readField(node, field, bytes, depth);
  }
}

function wireType(field: DescField): number {
  if (field.fieldKind === "enum") return 0;
  if (field.fieldKind !== "scalar") return 2;
  return scalarWireType(field.scalar);
}

function scalarWireType(type: ScalarType): number {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return 2;
    case ScalarType.DOUBLE:
      return 1;
    case ScalarType.INT32:
    case ScalarType.UINT32:
    case ScalarType.UINT64:
    case ScalarType.BOOL:
      return 0;
    default:
      throw new Error(`scalar type ${ScalarType[type]} is not on the wire`);
  }
}

function readField(node: Node, field: DescField, bytes: Bytes, depth: number): void {
  const before = node.values.get(field.number);
  if (field.fieldKind === "map") {
    const entries = before?.kind === "map" ? before.entries : new Map<string, Value>();
    node.values.set(field.number, { kind: "map", entries });
    readEntry(entries, field, new Bytes(bytes.delimited()), depth);
    return;
  }
  if (field.fieldKind === "list") {
    const items = before?.kind === "list" ? before.items : [];
    node.values.set(field.number, { kind: "list", items });
    if (field.listKind === "message") items.push(readMessage(field.message, undefined, bytes, depth));
    else if (field.listKind === "scalar") items.push(readScalar(field.number, field.scalar, bytes, true));
    else throw new Error(`list ${field.toString()} is of no kind that the wire has`);
    return;
  }
  if (field.oneof !== undefined) {
    for (const other of field.oneof.fields) if (other !== field) node.values.delete(other.number);
  }
  if (field.fieldKind === "message") {
    const known = before?.kind === "message" ? before.node : undefined;
    node.values.set(field.number, readMessage(field.message, known, bytes, depth));
    return;
  }
  const type = field.fieldKind === "enum" ? ScalarType.INT32 : field.scalar;
  const value = readScalar(field.number, type, bytes, field.oneof !== undefined);
  if (value.encoded.length > 0) node.values.set(field.number, value);
  else node.values.delete(field.number);
}

/** A message of a field merges into the one that stood there. */
function readMessage(
  schema: DescMessage,
  known: Node | undefined,
  bytes: Bytes,
  depth: number,
): Extract<Value, { kind: "message" }> {
  const node = known ?? emptyNode(schema);
  readInto(node, new Bytes(bytes.delimited()), depth + 1);
  return { kind: "message", node };
}

/** A missing key is the empty text and a missing value the empty one; of equal keys the last entry counts. */
function readEntry(
  entries: Map<string, Value>,
  field: Extract<DescField, { fieldKind: "map" }>,
  bytes: Bytes,
  depth: number,
): void {
  let key = "";
  const isText = field.mapKind === "scalar";
  if (isText && field.scalar !== ScalarType.STRING || field.mapKind === "enum") {
    throw new Error(`map ${field.toString()} is of no kind that the wire has`);
  }
  let value: Value = field.mapKind === "message"
    ? { kind: "message", node: emptyNode(field.message) }
    : { kind: "scalar", encoded: encode(2, 2, 0n) };
  while (!bytes.done) {
    const { number, type } = bytes.tag();
    if (number === 1 && type === 2) key = readText(bytes);
    else if (number !== 2 || type !== 2) bytes.skip(number, type, 0);
    else if (field.mapKind === "message") {
      const known = value.kind === "message" ? value.node : undefined;
      value = readMessage(field.message, known, bytes, depth + 1);
    } else value = readScalar(2, ScalarType.STRING, bytes, true);
  }
  entries.set(key, value);
}

function readText(bytes: Bytes): string {
  const text = bytes.delimited();
  if (!isUtf8(text)) throw new TransportError("InvalidPacket", "string field contains invalid UTF-8");
  return utf8Text(text);
}

/** The value as it is written; nothing for a default value that is not `kept`. */
function readScalar(
  number: number,
  type: ScalarType,
  bytes: Bytes,
  kept: boolean,
): Extract<Value, { kind: "scalar" }> {
  const start = bytes.at;
  switch (scalarWireType(type)) {
    case 2: {
      const text = bytes.delimited();
      if (type === ScalarType.STRING && !isUtf8(text)) {
        throw new TransportError("InvalidPacket", "string field contains invalid UTF-8");
      }
      if (text.length === 0 && !kept) return { kind: "scalar", encoded: [] };
      return { kind: "scalar", encoded: [...encode(number, 2, BigInt(text.length)), ...text] };
    }
    case 1: {
      const double = bytes.take(8);
      return { kind: "scalar", encoded: [...varint(BigInt(number << 3 | 1)), ...double] };
    }
    default: {
      const value = narrow(type, bytes.varint());
      if (bytes.at === start) malformed();
      return { kind: "scalar", encoded: value === 0n && !kept ? [] : encode(number, 0, value) };
    }
  }
}

/** A varint as its type holds it: 32-bit types drop what is above, bool is 0 or 1. */
function narrow(type: ScalarType, value: bigint): bigint {
  switch (type) {
    case ScalarType.BOOL:
      return value === 0n ? 0n : 1n;
    case ScalarType.INT32:
      return BigInt.asUintN(64, BigInt.asIntN(32, value));
    case ScalarType.UINT32:
      return BigInt.asUintN(32, value);
    default:
      return value;
  }
}

function encode(number: number, type: number, value: bigint): number[] {
  return [...varint(BigInt(number) << 3n | BigInt(type)), ...varint(value)];
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  for (; value > 0x7fn; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  bytes.push(Number(value));
  return bytes;
}

function writeMessage(node: Node, withUnknown: boolean): Uint8Array {
  const out: number[][] = [];
  writeNode(node, out, withUnknown);
  return new Uint8Array(out.flat());
}

/** Fields by number, members of oneofs after all others as Go writes them, unknown fields last. */
function writeNode(node: Node, out: number[][], withUnknown: boolean): void {
  const present = node.schema.fields.filter((field) => node.values.has(field.number));
  const place = (field: DescField): number => field.number + (field.oneof === undefined ? 0 : 2 ** 29);
  for (const field of present.sort((a, b) => place(a) - place(b))) {
    const value = node.values.get(field.number);
    if (value !== undefined) writeValue(field.number, value, out, withUnknown);
  }
  if (withUnknown) { for (const part of node.unknown) out.push([...part]); }
}

function writeValue(number: number, value: Value, out: number[][], withUnknown: boolean): void {
  switch (value.kind) {
    case "scalar":
      out.push([...value.encoded]);
      return;
    case "message": {
      const inner: number[][] = [];
      writeNode(value.node, inner, withUnknown);
      writeDelimited(number, inner.flat(), out);
      return;
    }
    case "list":
      for (const item of value.items) writeValue(number, item, out, withUnknown);
      return;
    case "map":
      for (const key of [...value.entries.keys()].sort(compareUtf8)) {
        const text = utf8Bytes(key);
        const inner: number[][] = [[...encode(1, 2, BigInt(text.length)), ...text]];
        const member = value.entries.get(key);
        if (member !== undefined) writeValue(2, member, inner, withUnknown);
        writeDelimited(number, inner.flat(), out);
      }
      return;
    default:
      value satisfies never;
  }
}

function writeDelimited(number: number, bytes: readonly number[], out: number[][]): void {
  out.push([...encode(number, 2, BigInt(bytes.length)), ...bytes]);
}

/** Every message of a tree, the outermost first. */
function* nodesOf(node: Node): Generator<Node> {
  yield node;
  for (const value of node.values.values()) yield* nodesIn(value);
}

function* nodesIn(value: Value): Generator<Node> {
  if (value.kind === "message") yield* nodesOf(value.node);
  if (value.kind === "list") { for (const item of value.items) yield* nodesIn(item); }
  if (value.kind === "map") { for (const entry of value.entries.values()) yield* nodesIn(entry); }
}

function countUnknown(root: Node): number {
  let count = 0;
  for (const node of nodesOf(root)) for (const part of node.unknown) count += part.length;
  return count;
}

function hasJson(root: Node): boolean {
  for (const node of nodesOf(root)) {
    if (node.schema.typeName !== "google.protobuf.Value") continue;
    if (node.values.size === 0) return false;
    const number = node.values.get(2);
    if (number?.kind === "scalar") {
      const double = new DataView(new Uint8Array(number.encoded).buffer).getFloat64(1, true);
      if (!Number.isFinite(double)) return false;
    }
  }
  return true;
}
