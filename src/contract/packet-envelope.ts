/** The JSON of a structured message inside a binary frame (data-plane 1.5). Payload and inputs stay raw JSON text. */
import { create } from "@bufbuild/protobuf";
import { type BinaryFrame, BinaryFrameSchema } from "../../gen/transport/v1/transport_pb.ts";
import { TransportError } from "./errors.ts";
import { goQuote } from "./go-text.ts";
import { type JsonMember, type JsonNode, parseJson, utf8Bytes, utf8Text } from "./json-text.ts";
import { compactJson, escapeJson, quoteJson, writeJson } from "./json-write.ts";
import { envelopeMimeType } from "./names.ts";
import type { JsonValue } from "./resources.ts";
import { foldKey } from "./settings-schema.ts";

/** Longest body that is read, in bytes. */
export const maxPacketEnvelopeBytes = 10_485_760;

const latestVersion = "v1";

export interface EnvelopeTransport {
  readonly name: string;
  readonly kind?: string;
  readonly mode?: string;
  readonly typedConfig?: { readonly transportRef?: string; readonly modeReason?: string };
}

/** A structured message; empty texts, 0 and undefined are absent members. */
export interface PacketEnvelope {
  readonly version: string;
  /** `data`, `heartbeat`, `noop`, `hook`, `error`, or the sender's own word. */
  readonly kind: string;
  readonly messageId: string;
  /** Milliseconds since the epoch. */
  readonly timestampMs: bigint;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Raw JSON. */
  readonly payload?: string | undefined;
  /** Raw JSON. */
  readonly inputs?: string | undefined;
  readonly transports?: readonly EnvelopeTransport[] | undefined;
}

function refuse(message: string): never {
  throw new TransportError("InvalidPacket", message);
}

/**
 * Writes an envelope. The version defaults to `v1`, the kind to `data` only where there is content.
 * Throws `InvalidPacket` for a negative time and for raw members that are not JSON.
 */
export function writePacketEnvelope(envelope: Partial<PacketEnvelope>): string {
  if ((envelope.timestampMs ?? 0n) < 0n) refuse("envelope timestamp_ms must not be negative");
  return written(envelope, rawMember("payload", envelope.payload), rawMember("inputs", envelope.inputs));
}

/** The same for an envelope whose raw members are what `JSON.stringify` wrote: nothing is looked at again. */
export function writeOwnEnvelope(envelope: Partial<PacketEnvelope>): string {
  const { payload, inputs } = envelope;
  return written(
    envelope,
    payload === undefined ? "" : `"payload":${escapeJson(payload)}`,
    inputs === undefined ? "" : `"inputs":${escapeJson(inputs)}`,
  );
}

function written(envelope: Partial<PacketEnvelope>, payload: string, inputs: string): string {
  const { kind = "", timestampMs = 0n, metadata = {}, transports = [] } = envelope;
  const hasContent = payload !== "" || inputs !== "" || transports.length > 0;
  return object(
    text("version", envelope.version || latestVersion),
    text("kind", kind === "" && hasContent ? "data" : kind),
    text("messageId", envelope.messageId),
    timestampMs === 0n ? "" : `"timestampMs":${timestampMs}`,
    Object.keys(metadata).length === 0 ? "" : `"metadata":${writeJson(metadata)}`,
    payload,
    inputs,
    transports.length === 0 ? "" : `"transports":[${transports.map(writeTransport).join(",")}]`,
  );
}

function rawMember(name: string, raw = ""): string {
  if (raw === "") return "";
  if ("fault" in parseJson(raw)) refuse(`envelope ${name} is not valid JSON`);
  return `"${name}":${compactJson(raw)}`;
}

function writeTransport({ name, kind, mode, typedConfig }: EnvelopeTransport): string {
  const config = typedConfig === undefined
    ? ""
    : `"typedConfig":${
      object(text("transportRef", typedConfig.transportRef), text("modeReason", typedConfig.modeReason))
    }`;
  return object(`"name":${quoteJson(name)}`, text("kind", kind), text("mode", mode), config);
}

function object(...members: readonly string[]): string {
  return `{${members.filter((member) => member !== "").join(",")}}`;
}

function text(name: string, value = ""): string {
  return value === "" ? "" : `"${name}":${quoteJson(value)}`;
}

/** A frame that carries the envelope and, where it has one, its time. */
export function writeEnvelopeFrame(envelope: Partial<PacketEnvelope>): BinaryFrame {
  const { timestampMs = 0n } = envelope;
  return create(BinaryFrameSchema, {
    payload: utf8Bytes(writePacketEnvelope(envelope)),
    mimeType: envelopeMimeType,
    timestampMs: timestampMs > 0n ? timestampMs : 0n,
  });
}

/** Reads the body of a frame of the envelope's exact MIME type; the frame's time stands in for a missing one. */
export function readEnvelopeFrame(frame: Pick<BinaryFrame, "payload" | "mimeType" | "timestampMs">): PacketEnvelope {
  if (frame.mimeType !== envelopeMimeType) refuse(`unexpected mime type ${goQuote(frame.mimeType)}`);
  const envelope = readPacketEnvelope(frame.payload);
  if (envelope.timestampMs !== 0n) return envelope;
  if (frame.timestampMs >= 2n ** 63n) {
    refuse(`binary frame timestamp_ms ${frame.timestampMs} exceeds maximum supported timestamp`);
  }
  return { ...envelope, timestampMs: frame.timestampMs };
}

/**
 * Reads an envelope as Go does: names in any case, unknown names ignored, of repeated ones the last counts.
 * Throws `InvalidPacket` for a body that is empty, longer than `maxPacketEnvelopeBytes` or not an envelope.
 */
export function readPacketEnvelope(body: string | Uint8Array): PacketEnvelope {
  const bytes = typeof body === "string" ? utf8Bytes(body) : body;
  if (bytes.length === 0) refuse("envelope payload empty");
  if (bytes.length > maxPacketEnvelopeBytes) {
    refuse(`envelope payload exceeds maximum size of ${maxPacketEnvelopeBytes} bytes`);
  }
  const parsed = parseJson(bytes);
  if ("fault" in parsed) refuse(parsed.fault);
  const { node } = parsed;
  if (node.kind !== "object" && node.kind !== "null") {
    refuse(`json: cannot unmarshal ${node.kind} into Go value of type envelope.Envelope`);
  }
  const found = { version: "", kind: "", messageId: "", timestampMs: 0n };
  let metadata: Record<string, string> | undefined;
  let transports: readonly EnvelopeTransport[] | undefined;
  const raw: { payload?: string; inputs?: string } = {};
  for (const { name, value } of node.kind === "object" ? node.members : []) {
    const field = fieldNames.get(foldKey(name));
    switch (field) {
      case "version":
      case "kind":
      case "messageId":
        found[field] = readText(value, field) ?? found[field];
        break;
      case "timestampMs":
        found.timestampMs = readTime(value) ?? found.timestampMs;
        break;
      case "payload":
      case "inputs":
        raw[field] = utf8Text(bytes.subarray(value.start, value.end));
        break;
      case "metadata":
        metadata = value.kind === "null" ? undefined : { ...metadata, ...readMetadata(value) };
        break;
      case "transports":
        transports = value.kind === "null" ? undefined : readTransports(value);
        break;
      case undefined:
        break;
      default:
        field satisfies never;
    }
  }
  return { ...found, version: found.version || latestVersion, metadata, ...raw, transports };
}

const fields = ["version", "kind", "messageId", "timestampMs", "metadata", "payload", "inputs", "transports"] as const;
const fieldNames = new Map(fields.map((field) => [foldKey(field), field]));

function cannotDecode(node: JsonNode, field: string, type: string): never {
  const shown = node.kind === "number" && type === "int64" ? `number ${node.text}` : node.kind;
  refuse(`json: cannot unmarshal ${shown} into Go struct field Envelope.${field} of type ${type}`);
}

function readText(node: JsonNode, field: string): string | undefined {
  if (node.kind === "null") return undefined;
  return node.kind === "string" ? node.text : cannotDecode(node, field, "string");
}

function readTime(node: JsonNode): bigint | undefined {
  if (node.kind === "null") return undefined;
  if (node.kind !== "number" || !/^-?\d+$/.test(node.text)) cannotDecode(node, "timestampMs", "int64");
  const time = BigInt(node.text);
  return BigInt.asIntN(64, time) === time ? time : cannotDecode(node, "timestampMs", "int64");
}

function readMetadata(node: JsonNode): Record<string, string> {
  if (node.kind !== "object") cannotDecode(node, "metadata", "map[string]string");
  return Object.fromEntries(node.members.map(({ name, value }) => [name, readText(value, "metadata") ?? ""]));
}

function readTransports(node: JsonNode): readonly EnvelopeTransport[] {
  if (node.kind !== "array") cannotDecode(node, "transports", "[]envelope.TransportDescriptor");
  return node.items.map((item) => {
    const members = membersOf(item, "transports");
    const config = last(members, "typedconfig");
    return {
      name: textMember(members, "name") ?? "",
      ...optional("kind", textMember(members, "kind")),
      ...optional("mode", textMember(members, "mode")),
      ...(config === undefined || config.kind === "null" ? {} : { typedConfig: readTypedConfig(config) }),
    };
  });
}

function readTypedConfig(node: JsonNode): NonNullable<EnvelopeTransport["typedConfig"]> {
  const members = membersOf(node, "transports.typedConfig");
  return {
    ...optional("transportRef", textMember(members, "transportref")),
    ...optional("modeReason", textMember(members, "modereason")),
  };
}

function membersOf(node: JsonNode, field: string): readonly JsonMember[] {
  if (node.kind === "null") return [];
  return node.kind === "object" ? node.members : cannotDecode(node, field, "envelope.TransportDescriptor");
}

function last(members: readonly JsonMember[], key: string): JsonNode | undefined {
  return members.findLast(({ name }) => foldKey(name) === key)?.value;
}

function textMember(members: readonly JsonMember[], key: string): string | undefined {
  const node = last(members, key);
  return node === undefined ? undefined : readText(node, `transports.${key}`);
}

function optional<Name extends string>(name: Name, value: string | undefined): { readonly [Key in Name]?: string } {
  // One member of the name, or none.
  return (value ? { [name]: value } : {}) as { readonly [Key in Name]?: string };
}

/** The value of `payload.hook` of a lifecycle hook (data-plane 1.5 rule 6); the event is always written. */
export function writeHookPayload(
  hook: { readonly version?: string; readonly event: string; readonly source?: string; readonly data?: JsonValue },
): string {
  const { data = null } = hook;
  return object(
    text("version", hook.version),
    `"event":${quoteJson(hook.event)}`,
    text("source", hook.source),
    data === null ? "" : `"data":${writeJson(data)}`,
  );
}
