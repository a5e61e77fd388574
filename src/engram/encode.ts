/** Packets onto the wire, in the forms of the SDKs (data-plane 6.10, 21 to 25). */
import { create, type JsonObject as ProtobufJson, toBinary } from "@bufbuild/protobuf";
import {
  AudioFrameSchema,
  BinaryFrameSchema,
  type DataRequest,
  DataRequestSchema,
  TransportDescriptorSchema,
  VideoFrameSchema,
} from "../../gen/transport/v1/transport_pb.ts";
import { validateMessage } from "../contract/bounds.ts";
import { TransportError } from "../contract/errors.ts";
import { packetKeys } from "../contract/names.ts";
import { type EnvelopeTransport, writeEnvelopeFrame } from "../contract/packet-envelope.ts";
import type { JsonObject, JsonValue } from "../contract/resources.ts";
import type { OutgoingPacket } from "./packet.ts";

/**
 * A DataRequest. Throws `InvalidPacket` naming what is wrong with the packet, and `PacketTooLarge` above `maxBytes`:
 * a packet is not split on this hop.
 */
export function encodePacket(packet: OutgoingPacket, maxBytes: number): Uint8Array {
  const fault = faultOf(packet);
  if (fault !== null) throw new TransportError("InvalidPacket", `packet ${nameOf(packet)}: ${fault}`);
  const { kind = "", id = "", timestampMs = 0, metadata = {}, payload, inputs, transports = [] } = packet;
  const all: Record<string, string> = { ...metadata };
  if (kind !== "") all[packetKeys.envelopeKind] = kind;
  if (id !== "") all[packetKeys.messageId] = id;
  if (timestampMs !== 0) all[packetKeys.timestampMs] = String(timestampMs);
  const request = create(DataRequestSchema, {
    frame: frameOf(packet),
    metadata: all,
    payload: toStruct(payload),
    inputs: toStruct(inputs),
    transports: transports.map(toDescriptor),
  });
  const [violation] = validateMessage(DataRequestSchema, request);
  if (violation !== undefined) {
    throw new TransportError("InvalidPacket", `packet ${nameOf(packet)}: ${violation.field}: ${violation.message}`);
  }
  const bytes = toBinary(DataRequestSchema, request);
  if (bytes.length <= maxBytes) return bytes;
  const text = `packet ${nameOf(packet)} of ${bytes.length} bytes is over the limit of ${maxBytes} bytes`;
  throw new TransportError("PacketTooLarge", text);
}

/** What receivers would end their session about (data-plane 6.10, "Message validity"); null where there is nothing. */
function faultOf(packet: OutgoingPacket): string | null {
  const { kind = "", id = "", timestampMs = 0, metadata = {}, payload, inputs, transports = [] } = packet;
  const { audio, video, binary } = packet;
  const frames = [audio, video, binary].filter((frame) => frame !== undefined).length;
  const hasStructs = payload !== undefined || inputs !== undefined || transports.length > 0;
  if (!/^[A-Za-z0-9._-]*$/.test(kind)) return `kind ${JSON.stringify(kind)} has other than letters, digits, . _ and -`;
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    return `timestampMs ${timestampMs} is not a whole number from 0`;
  }
  if (frames > 1) return "more than one of audio, video and binary";
  if (kind === "heartbeat" || kind === "noop") return `kind ${kind} is the connector's own`;
  if (kind === "error" && payload === undefined) return "kind error has no payload";
  if (kind === "error" && frames > 0) return "kind error has a frame";
  if (audio !== undefined && (audio.pcm.length === 0 || !audio.sampleRateHz || !audio.channels)) {
    return "audio needs pcm, sampleRateHz and channels";
  }
  if (video !== undefined && video.bytes.length === 0) return "video has no bytes";
  if (video !== undefined && !video.isRaw && !video.codec) return "encoded video needs a codec";
  if (video?.isRaw && !(video.width && video.height)) return "raw video needs width and height";
  if (frames > 0) {
    if (payload !== undefined && !isObject(payload)) return "the payload beside a frame is not an object";
    if (inputs !== undefined && !isObject(inputs)) return "the inputs beside a frame are not an object";
  }
  const isEmpty = frames === 0 && !hasStructs && kind === "" && id === "" && timestampMs === 0 &&
    Object.keys(metadata).length === 0;
  return isEmpty ? "nothing in it" : null;
}

function frameOf(packet: OutgoingPacket): DataRequest["frame"] {
  const { audio, video, binary } = packet;
  if (audio !== undefined) {
    const { pcm, sampleRateHz, channels, codec = "", timestampMs = 0 } = audio;
    const fields = { pcm, sampleRateHz, channels, codec, timestampMs: toTime(timestampMs) };
    return { case: "audio", value: create(AudioFrameSchema, fields) };
  }
  if (video !== undefined) {
    const { bytes, codec = "", width = 0, height = 0, isRaw = false, timestampMs = 0 } = video;
    const fields = { payload: bytes, codec, width, height, raw: isRaw, timestampMs: toTime(timestampMs) };
    return { case: "video", value: create(VideoFrameSchema, fields) };
  }
  if (binary !== undefined) {
    const { bytes, mimeType = "application/octet-stream", timestampMs = 0 } = binary;
    const fields = { payload: bytes, mimeType, timestampMs: toTime(timestampMs) };
    return { case: "binary", value: create(BinaryFrameSchema, fields) };
  }
  const { kind = "", id = "", timestampMs = 0, metadata, payload, inputs, transports } = packet;
  const value = writeEnvelopeFrame({
    kind,
    messageId: id,
    timestampMs: BigInt(timestampMs),
    metadata,
    payload: toText(payload),
    inputs: toText(inputs),
    transports,
  });
  return { case: "binary", value };
}

function toTime(timestampMs: number): bigint {
  return BigInt(Math.max(0, Math.round(timestampMs)));
}

function toText(value: JsonValue | undefined): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}

function toDescriptor({ name, kind = "", mode = "", typedConfig }: EnvelopeTransport) {
  return create(TransportDescriptorSchema, { name, kind, mode, typedConfig });
}

/** A Struct holds an object alone; other content is in the envelope only. */
function toStruct(value: JsonValue | undefined): ProtobufJson | undefined {
  // the same values, which protobuf does not declare read-only
  return isObject(value) ? value as ProtobufJson : undefined;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function nameOf({ id, metadata }: OutgoingPacket): string {
  return JSON.stringify(id || metadata?.[packetKeys.type] || "without id");
}
