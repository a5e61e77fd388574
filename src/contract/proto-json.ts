/**
 * ProtoJSON as Go reads it, which refuses more than protobuf-es does: repeated and unknown names, lone surrogates,
 * mixed base64 alphabets (control-plane E-04, data-plane D-001).
 */
import { create, ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { readBase64 } from "./base64.ts";
import { isUtf8, jsonValue, parseJson, utf8Bytes } from "./json-text.ts";
import type { JsonMember, JsonNode } from "./json-text.ts";
import type { JsonValue } from "./resources.ts";

/** The message, or what is wrong with the text, with the path of the member. */
export type ProtoJsonRead<Desc extends DescMessage> =
  | { readonly message: MessageShape<Desc> }
  | { readonly fault: string };

/** Reads one message from a JSON text. */
export function readProtoJson<Desc extends DescMessage>(schema: Desc, text: string): ProtoJsonRead<Desc> {
  const bytes = utf8Bytes(text);
  const parsed = parseJson(bytes);
  return "fault" in parsed ? parsed : readProtoJsonNode(schema, parsed.node, bytes);
}

/** Reads one message from a parsed value; `bytes` is the text that the value is a part of. */
export function readProtoJsonNode<Desc extends DescMessage>(
  schema: Desc,
  node: JsonNode,
  bytes: Uint8Array,
): ProtoJsonRead<Desc> {
  if (!isUtf8(bytes)) return { fault: "invalid UTF-8" };
  try {
    return { message: new Reader(bytes).message(schema, node, "") };
  } catch (error) {
    if (error instanceof Refusal) return { fault: error.message };
    throw error;
  }
}

/** Unwinds the reader; never leaves this file. */
class Refusal extends Error {}

class Reader {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  message<Desc extends DescMessage>(schema: Desc, node: JsonNode, path: string): MessageShape<Desc> {
    if (node.kind !== "object") throw new Refusal(`${path || schema.name}: expected an object, got ${node.kind}`);
    const fields = new Map<string, DescField>();
    for (const field of schema.fields) fields.set(field.jsonName, field).set(field.name, field);
    const seen = new Set<DescField>();
    const oneofs = new Set<string>();
    const init: Record<string, unknown> = {};
    for (const { name, value } of this.#members(node, path)) {
      const field = fields.get(name);
      const place = path === "" ? name : `${path}.${name}`;
      if (field === undefined) throw new Refusal(`unknown field ${JSON.stringify(place)}`);
      if (seen.has(field)) throw new Refusal(`duplicate field ${JSON.stringify(place)}`);
      seen.add(field);
      if (value.kind === "null" && !isValue(field)) continue;
      if (field.oneof === undefined) {
        init[field.localName] = this.#field(field, value, place);
        continue;
      }
      const { localName } = field.oneof;
      if (oneofs.has(localName)) throw new Refusal(`${place}: oneof ${field.oneof.name} is already set`);
      oneofs.add(localName);
      init[localName] = { case: field.localName, value: this.#field(field, value, place) };
    }
    // The members were made from the schema's own fields; the generic init type can not know that.
    return create(schema, init as never);
  }

  #members(node: Extract<JsonNode, { kind: "object" }>, path: string): readonly JsonMember[] {
    this.#noLoneSurrogates(node, path);
    return node.members;
  }

  #field(field: DescField, node: JsonNode, path: string): unknown {
    switch (field.fieldKind) {
      case "message":
        return this.#embedded(field.message, node, path);
      case "enum":
        return this.#enum(field, node, path);
      case "scalar":
        return this.#scalar(field.scalar, node, path);
      case "list":
        if (node.kind !== "array") throw new Refusal(`${path}: expected a list, got ${node.kind}`);
        return node.items.map((item, i) => this.#item(field, item, `${path}[${i}]`));
      case "map":
        return this.#map(field, node, path);
      default:
        return field satisfies never;
    }
  }

  #item(field: Extract<DescField, { fieldKind: "list" }>, node: JsonNode, path: string): unknown {
    if (field.listKind === "message") return this.#embedded(field.message, node, path);
    if (field.listKind === "enum") return this.#enum(field, node, path);
    return this.#scalar(field.scalar, node, path);
  }

  #map(field: Extract<DescField, { fieldKind: "map" }>, node: JsonNode, path: string): unknown {
    if (node.kind !== "object") throw new Refusal(`${path}: expected an object, got ${node.kind}`);
    const entries = new Map<string, unknown>();
    for (const { name, value } of this.#members(node, path)) {
      const place = `${path}[${JSON.stringify(name)}]`;
      if (entries.has(name)) throw new Refusal(`duplicate map key ${place}`);
      if (field.mapKind !== "scalar") throw new Error(`map ${field.toString()} is of no kind that the wire has`);
      entries.set(name, this.#scalar(field.scalar, value, place));
    }
    return Object.fromEntries(entries);
  }

  #embedded(schema: DescMessage, node: JsonNode, path: string): unknown {
    if (!schema.typeName.startsWith("google.protobuf.")) return this.message(schema, node, path);
    // protobuf-es holds a Struct as the plain JSON object.
    if (schema.typeName === "google.protobuf.Struct" && node.kind === "object") return this.#json(node, path);
    throw new Refusal(`${path}: expected an object, got ${node.kind}`);
  }

  #json(node: JsonNode, path: string): JsonValue {
    // First, because it bounds the depth.
    const read = jsonValue(node);
    if ("fault" in read) throw new Refusal(`${path}: ${read.fault}`);
    this.#checkJson(node, path);
    return read.value;
  }

  #checkJson(node: JsonNode, path: string): void {
    if (node.kind === "array") { for (const item of node.items) this.#checkJson(item, path); }
    if (node.kind === "string") this.#noLoneSurrogates(node, path);
    if (node.kind !== "object") return;
    const names = new Set<string>();
    for (const { name, value } of this.#members(node, path)) {
      if (names.has(name)) throw new Refusal(`${path}: duplicate name ${JSON.stringify(name)}`);
      names.add(name);
      this.#checkJson(value, path);
    }
  }

  #scalar(type: ScalarType, node: JsonNode, path: string): unknown {
    switch (type) {
      case ScalarType.STRING:
        if (node.kind !== "string") break;
        this.#noLoneSurrogates(node, path);
        return node.text;
      case ScalarType.BOOL:
        if (node.kind !== "bool") break;
        return node.value;
      case ScalarType.BYTES: {
        const bytes = node.kind === "string" ? readBase64(node.text) : null;
        if (bytes === null) break;
        return bytes;
      }
      case ScalarType.INT32:
        return Number(integer(node, path, -(2n ** 31n), 2n ** 31n - 1n));
      case ScalarType.UINT32:
        return Number(integer(node, path, 0n, 2n ** 32n - 1n));
      case ScalarType.UINT64:
        return integer(node, path, 0n, 2n ** 64n - 1n);
      default:
        throw new Error(`${path} has scalar type ${type}, which no message of the wire has`);
    }
    throw new Refusal(`${path}: invalid value for a ${ScalarType[type].toLowerCase()} field`);
  }

  #enum(field: DescField & { readonly enum?: unknown }, node: JsonNode, path: string): number {
    if (field.enum === undefined) throw new Error(`${path} is no enum`);
    if (node.kind === "string") {
      const value = field.enum.values.find((candidate) => candidate.name === node.text);
      if (value !== undefined) return value.number;
    } else if (node.kind === "number") {
      return Number(integer(node, path, -(2n ** 31n), 2n ** 31n - 1n));
    }
    throw new Refusal(`${path}: invalid value for an enum field`);
  }

  /** Go's reader refuses half of a pair, which the JSON parser has replaced by U+FFFD. */
  #noLoneSurrogates(node: JsonNode, path: string): void {
    const tokens = node.kind === "object" ? this.#names(node) : [{ start: node.start, end: node.end }];
    for (const { start, end } of tokens) {
      const raw = String.fromCharCode(...this.#bytes.subarray(start, Math.min(end, start + 65_536)));
      if (!raw.includes("\\u")) continue;
      const units = raw.replace(
        /\\(?:u([0-9a-fA-F]{4})|.)/gs,
        (_, hex: string | undefined) => hex === undefined ? "x" : String.fromCharCode(Number.parseInt(hex, 16)),
      );
      if (!units.isWellFormed()) throw new Refusal(`${path}: invalid escape code in a text`);
    }
  }

  /** Places of an object's names: what lies between its values. */
  #names(node: Extract<JsonNode, { kind: "object" }>): readonly { start: number; end: number }[] {
    let start = node.start + 1;
    return node.members.map(({ value }) => {
      const place = { start, end: value.start };
      start = value.end;
      return place;
    });
  }
}

function isValue(field: DescField): boolean {
  return field.message?.typeName === "google.protobuf.Value";
}

/** An integer as number or text, in any form whose value is whole: `5`, `"5"`, `5.0`, `1e3`. */
function integer(node: JsonNode, path: string, min: bigint, max: bigint): bigint {
  const text = node.kind === "number" || node.kind === "string" ? node.text : "";
  const [, sign = "", whole = "", fraction = "", exponentText = "0"] =
    /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(text) ?? [];
  const exponent = Number(exponentText);
  // Beyond 20 digits nothing fits, and a long exponent would make a long number.
  if (whole !== "" && Math.abs(exponent) <= 400) {
    const digits = (whole + fraction).replace(/0+$/, "");
    const scale = exponent - fraction.length + (whole + fraction).length - digits.length;
    if (scale >= 0 && digits.length + scale <= 21) {
      const value = BigInt(`${digits === "" ? "0" : digits}${"0".repeat(digits === "" ? 0 : scale)}`);
      const signed = sign === "-" ? -value : value;
      if (signed >= min && signed <= max) return signed;
    } else if (digits === "") {
      return 0n;
    }
  }
  throw new Refusal(`${path}: invalid value for an integer field`);
}
