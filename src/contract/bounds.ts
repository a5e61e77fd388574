/**
 * Limits of the wire's messages (data-plane 1.2, 1.3), as a table and a hand-written check on decoded messages.
 * Whoever reads frames without decoding them uses the numbers; whoever decodes uses `validateMessage`.
 */
import type { DescField, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { goQuote } from "./go-text.ts";
import { compareUtf8 } from "./json-write.ts";

/** One broken limit, as protovalidate reports it. */
export interface Violation {
  /** Path in proto names: `packet.audio.channels`, `metadata["k"]`, `audio_codecs[1]`; empty: the message itself. */
  readonly field: string;
  readonly rule: string;
  readonly message: string;
}

/** Largest media payload in bytes. */
export const maxFrameBytes = 10_485_760;

/** Limits of META: map `metadata` of every packet. Lengths are characters. */
export const metadataLimits = { maxPairs: 100, minKey: 1, maxKey: 128, maxValue: 1024 } as const;

/** Limits of a chunked packet. */
export const chunkLimits = { maxCount: 256, maxChunkBytes: 10_485_760, maxTotalBytes: 67_108_864 } as const;

type Limit =
  | { readonly maxCharacters: number }
  | { readonly maxBytes: number }
  | { readonly atLeast: number; readonly type: "int32" }
  | { readonly atMost: number; readonly type: "uint32" }
  | { readonly atLeast: number; readonly atMost: number; readonly type: "int32" }
  | { readonly maxItems: number; readonly item?: { readonly maxCharacters: number } }
  | { readonly maxPairs: number; readonly minKey: number; readonly maxKey: number; readonly maxValue: number };

const characters = (maxCharacters: number): Limit => ({ maxCharacters });
const transports: Limit = { maxItems: 10 };
const packet = { metadata: metadataLimits, transports };

/** Limits by message and field, both in proto names. A field without a line has none. */
export const limits: Readonly<Record<string, Readonly<Record<string, Limit>>>> = {
  AudioFrame: {
    pcm: { maxBytes: maxFrameBytes },
    sample_rate_hz: { atLeast: 8_000, atMost: 192_000, type: "int32" },
    channels: { atLeast: 1, atMost: 8, type: "int32" },
    codec: characters(32),
  },
  VideoFrame: {
    payload: { maxBytes: maxFrameBytes },
    codec: characters(32),
    width: { atMost: 16_384, type: "uint32" },
    height: { atMost: 16_384, type: "uint32" },
  },
  BinaryFrame: { payload: { maxBytes: maxFrameBytes }, mime_type: characters(255) },
  TransportDescriptor: { name: characters(128), kind: characters(128), mode: characters(128) },
  TransportConfig: { transport_ref: characters(253), mode_reason: characters(512) },
  StreamEnvelope: {
    stream_id: characters(128),
    partition: characters(128),
    chunk_id: characters(128),
    chunk_count: { atMost: chunkLimits.maxCount, type: "uint32" },
    chunk_bytes: { atMost: chunkLimits.maxChunkBytes, type: "uint32" },
    total_bytes: { atMost: chunkLimits.maxTotalBytes, type: "uint32" },
  },
  PartitionAck: { partition: characters(128) },
  FlowControl: { partition_acks: { maxItems: 256 } },
  DataPacket: packet,
  DataRequest: packet,
  DataResponse: packet,
  PublishRequest: packet,
  HubPushRequest: packet,
  HubPushResponse: packet,
  ControlRequest: { metadata: metadataLimits, custom_action: characters(128) },
  ControlResponse: { metadata: metadataLimits, custom_action: characters(128) },
  ControlError: {
    code: { atLeast: 0, type: "int32" },
    message: characters(2_048),
    details: { ...metadataLimits, maxPairs: 50 },
  },
  BindingInfo: {
    transport_ref: characters(128),
    driver: characters(128),
    endpoint: characters(2_048),
    audio_codecs: { maxItems: 32, item: { maxCharacters: 64 } },
    video_codecs: { maxItems: 32, item: { maxCharacters: 64 } },
    payload: { maxBytes: 1_048_576 },
    binary_types: { maxItems: 32, item: { maxCharacters: 255 } },
    protocol_version: characters(128),
  },
};

/**
 * All broken limits of a decoded message and of every message in it, in declaration order; empty: valid.
 * Rules about the whole of a message come before those of its fields.
 */
export function validateMessage<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Violation[] {
  const violations: Violation[] = [];
  check(schema, fieldsOf(message), "", violations);
  return violations;
}

type Fields = Readonly<Record<string, unknown>>;

// The generated classes are plain objects whose members a descriptor names.
function fieldsOf(message: unknown): Fields {
  return message as Fields;
}

function check(schema: DescMessage, message: Fields, path: string, violations: Violation[]): void {
  if (schema.typeName === "transport.v1.StreamEnvelope") checkChunks(message, path, violations);
  for (const field of schema.fields) {
    const value = valueOf(field, message);
    if (value === undefined) continue;
    const place = path === "" ? field.name : `${path}.${field.name}`;
    const limit = limits[schema.name]?.[field.name];
    if (limit !== undefined) checkLimit(limit, value, place, violations);
    if (field.message === undefined || field.message.file.proto.package !== "transport.v1") continue;
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) check(field.message, fieldsOf(item), `${place}[${i}]`, violations);
    } else {
      check(field.message, fieldsOf(value), place, violations);
    }
  }
}

function valueOf(field: DescField, message: Fields): unknown {
  if (field.oneof === undefined) return message[field.localName];
  const chosen = fieldsOf(message[field.oneof.localName]);
  return chosen["case"] === field.localName ? chosen["value"] : undefined;
}

/** The message-level rules of StreamEnvelope. */
function checkChunks(message: Fields, field: string, violations: Violation[]): void {
  // A generated StreamEnvelope has these members, always.
  const { chunkCount, chunkIndex, chunkBytes, totalBytes, chunkId, streamId } = message as
    & {
      readonly [Name in "chunkCount" | "chunkIndex" | "chunkBytes" | "totalBytes"]: number;
    }
    & { readonly chunkId: string; readonly streamId: string };
  const refuse = (rule: string, text: string): void => {
    violations.push({ field, rule: `stream_envelope.${rule}`, message: text });
  };
  if (chunkCount === 0) {
    if (chunkIndex !== 0 || chunkBytes !== 0 || totalBytes !== 0 || chunkId !== "") {
      refuse("no_chunk_fields_without_count", "chunk fields must be unset when chunk_count is zero");
    }
    return;
  }
  if (chunkId === "") refuse("chunk_id_required", "chunk_id is required when chunk_count is greater than zero");
  if (streamId === "") refuse("stream_id_required", "stream_id is required when chunk_count is greater than zero");
  if (chunkIndex >= chunkCount) refuse("chunk_index_less_than_count", "chunk_index must be less than chunk_count");
}

function checkLimit(limit: Limit, value: unknown, field: string, violations: Violation[]): void {
  const refuse = (rule: string, message: string): void => {
    violations.push({ field, rule, message });
  };
  if ("maxCharacters" in limit) {
    if (isLonger(value, limit.maxCharacters)) {
      refuse("string.max_len", `must be at most ${limit.maxCharacters} characters`);
    }
  } else if ("maxBytes" in limit) {
    if (value instanceof Uint8Array && value.length > limit.maxBytes) {
      refuse("bytes.max_len", `must be at most ${limit.maxBytes} bytes`);
    }
  } else if ("type" in limit) {
    checkNumber(limit, Number(value), refuse);
  } else if ("maxItems" in limit) {
    if (!Array.isArray(value)) return;
    if (value.length > limit.maxItems) {
      refuse("repeated.max_items", `must contain no more than ${limit.maxItems} item(s)`);
    }
    const { item } = limit;
    if (item === undefined) return;
    for (const [i, text] of value.entries()) checkLimit(item, text, `${field}[${i}]`, violations);
  } else {
    checkPairs(limit, fieldsOf(value), field, violations);
  }
}

function checkNumber(
  limit: Extract<Limit, { readonly type: string }>,
  value: number,
  refuse: (rule: string, message: string) => void,
): void {
  const low = "atLeast" in limit ? limit.atLeast : undefined;
  const high = "atMost" in limit ? limit.atMost : undefined;
  if ((low === undefined || value >= low) && (high === undefined || value <= high)) return;
  const gte = low === undefined ? [] : [`greater than or equal to ${low}`];
  const lte = high === undefined ? [] : [`less than or equal to ${high}`];
  const rule = [...(low === undefined ? [] : ["gte"]), ...(high === undefined ? [] : ["lte"])].join("_");
  refuse(`${limit.type}.${rule}`, `must be ${[...gte, ...lte].join(" and ")}`);
}

function checkPairs(
  limit: Extract<Limit, { readonly maxPairs: number }>,
  pairs: Fields,
  field: string,
  violations: Violation[],
): void {
  const keys = Object.keys(pairs).sort(compareUtf8);
  if (keys.length > limit.maxPairs) {
    violations.push({ field, rule: "map.max_pairs", message: `map must be at most ${limit.maxPairs} entries` });
  }
  for (const key of keys) {
    const place = `${field}[${goQuote(key)}]`;
    if (key.length < limit.minKey) {
      violations.push({
        field: place,
        rule: "string.min_len",
        message: `must be at least ${limit.minKey} characters`,
      });
    }
    checkLimit({ maxCharacters: limit.maxKey }, key, place, violations);
    checkLimit({ maxCharacters: limit.maxValue }, pairs[key], place, violations);
  }
}

/** Lengths count characters; a text has at most as many of them as UTF-16 units. */
function isLonger(value: unknown, max: number): boolean {
  return typeof value === "string" && value.length > max && [...value].length > max;
}
