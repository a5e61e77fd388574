/** Packets off the wire, by the rules of the SDKs (data-plane 6.10, 11 to 18). */
import type { DataResponse } from "../../gen/transport/v1/transport_pb.ts";
import { TransportError } from "../contract/errors.ts";
import { envelopeMimeType, packetKeys } from "../contract/names.ts";
import { type EnvelopeTransport, type PacketEnvelope, readPacketEnvelope } from "../contract/packet-envelope.ts";
import type { JsonValue } from "../contract/resources.ts";
import type { Packet } from "./packet.ts";

const noContent: ReadonlySet<string> = new Set(["heartbeat", "noop"]);

/**
 * The packet of a message; null for one that is no engram's business: a keep-alive, a heartbeat, a `noop`, an empty one.
 * Throws `InvalidPacket` for an envelope that does not parse.
 */
export function decodePacket(response: DataResponse): Packet | null {
  const { frame, envelope } = response;
  if (frame.case === undefined || response.metadata[packetKeys.heartbeat] === "true") return null;
  const position = envelope === undefined
    ? null
    : { streamId: envelope.streamId, sequence: envelope.sequence, partition: envelope.partition };
  const { mirror, metadata } = splitMetadata(response.metadata);
  if (frame.case === "binary" && isEnvelopeMime(frame.value.mimeType)) {
    const read = readPacketEnvelope(frame.value.payload);
    const head = headOf(mirror, read, frame.value.timestampMs);
    if (noContent.has(head.kind)) return null;
    const packet = {
      ...head,
      // not merged: the message's own metadata, where it has any, stands instead of the envelope's
      metadata: Object.keys(metadata).length > 0 ? metadata : read.metadata ?? {},
      ...given("payload", read.payload === undefined ? response.payload : parsed(read.payload)),
      ...given("inputs", read.inputs === undefined ? response.inputs : parsed(read.inputs)),
      ...given("transports", read.transports ?? transportsOf(response)),
    };
    return isEmpty(packet) ? null : { ...packet, position };
  }
  const head = headOf(mirror, null, 0n);
  if (noContent.has(head.kind)) return null;
  const structs = {
    ...given("payload", response.payload),
    ...given("inputs", response.inputs),
    ...given("transports", transportsOf(response)),
  };
  return { ...head, metadata, ...structs, ...frameOf(frame), position };
}

/** As the SDK compares: in any case, without parameters. */
function isEnvelopeMime(mimeType: string): boolean {
  return mimeType.split(";")[0]!.trim().toLowerCase() === envelopeMimeType;
}

function frameOf(frame: Exclude<DataResponse["frame"], { case: undefined }>): Pick<
  Packet,
  "audio" | "video" | "binary"
> {
  const timestampMs = Number(frame.value.timestampMs);
  switch (frame.case) {
    case "audio": {
      const { pcm, sampleRateHz, channels, codec } = frame.value;
      return { audio: { pcm, sampleRateHz, channels, codec, timestampMs } };
    }
    case "video": {
      const { payload, codec, width, height, raw } = frame.value;
      return { video: { bytes: payload, codec, width, height, isRaw: raw, timestampMs } };
    }
    case "binary": {
      const { payload, mimeType } = frame.value;
      return { binary: { bytes: payload, mimeType: mimeType || "application/octet-stream", timestampMs } };
    }
    default:
      return frame satisfies never;
  }
}

interface Mirror {
  readonly kind?: string;
  readonly id?: string;
  readonly timestampMs?: string;
}

/** The keys that repeat the envelope's head, which stand above it, and the rest. */
function splitMetadata(all: Readonly<Record<string, string>>): { mirror: Mirror; metadata: Record<string, string> } {
  const {
    [packetKeys.envelopeKind]: kind,
    [packetKeys.messageId]: id,
    [packetKeys.timestampMs]: timestampMs,
    ...metadata
  } = all;
  const mirror = { ...given("kind", kind), ...given("id", id), ...given("timestampMs", timestampMs) };
  return { mirror, metadata };
}

function headOf(mirror: Mirror, envelope: PacketEnvelope | null, frameTimestampMs: bigint) {
  const written = Number(mirror.timestampMs ?? Number.NaN);
  const timestampMs = Number(envelope?.timestampMs || frameTimestampMs);
  return {
    kind: mirror.kind ?? envelope?.kind ?? "",
    id: mirror.id ?? envelope?.messageId ?? "",
    timestampMs: Number.isSafeInteger(written) ? written : timestampMs,
  };
}

function transportsOf({ transports }: DataResponse): readonly EnvelopeTransport[] | undefined {
  if (transports.length === 0) return undefined;
  return transports.map(({ name, kind, mode, typedConfig }) => ({
    name,
    ...kind === "" ? {} : { kind },
    ...mode === "" ? {} : { mode },
    ...typedConfig === undefined
      ? {}
      : { typedConfig: { transportRef: typedConfig.transportRef, modeReason: typedConfig.modeReason } },
  }));
}

function isEmpty(packet: Omit<Packet, "position">): boolean {
  return packet.payload === undefined && packet.inputs === undefined && packet.transports === undefined &&
    packet.kind === "" && packet.id === "" && packet.timestampMs === 0 && Object.keys(packet.metadata).length === 0;
}

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue; // JSON.parse gives nothing else
  } catch (cause) {
    throw new TransportError("InvalidPacket", "envelope payload or inputs is not valid JSON", {}, { cause });
  }
}

function given<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [K in Name]?: Value } {
  // one member of the name, or none
  return (value === undefined ? {} : { [name]: value }) as { readonly [K in Name]?: Value };
}
