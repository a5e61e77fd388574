/**
 * What an engram sees of a DataResponse, and what it must see of a packet, each by data-plane 6.5 and 6.10: worked out
 * here from the page alone, without any code of the connector.
 */
import { toJson } from "@bufbuild/protobuf";
import { type DataPacket } from "../../../gen/transport/v1/hub_pb.ts";
import {
  type DataResponse,
  StreamEnvelopeSchema,
  TransportDescriptorSchema,
} from "../../../gen/transport/v1/transport_pb.ts";

const mime = "application/vnd.bubu.packet+json";

/** Comparable by JSON text. */
export type View = Readonly<Record<string, unknown>>;

type Like = Pick<DataPacket | DataResponse, "frame" | "metadata" | "payload" | "inputs" | "transports" | "envelope">;

function envelopeOf({ envelope }: Like): unknown {
  return envelope === undefined ? undefined : toJson(StreamEnvelopeSchema, envelope);
}

function jsonOf({ frame }: Like): Record<string, unknown> | null {
  if (frame.case !== "binary" || frame.value.mimeType.split(";")[0]?.trim().toLowerCase() !== mime) return null;
  return JSON.parse(new TextDecoder().decode(frame.value.payload)) as Record<string, unknown>;
}

function media(like: Like): View {
  const { frame, metadata, payload, inputs, transports } = like;
  const { $typeName: _, ...value } = frame.value ?? { $typeName: "" };
  const bytes = (each: unknown) => each instanceof Uint8Array ? Array.from(each) : each;
  return {
    frame: frame.case,
    body: Object.entries(value).filter(([name]) => !name.startsWith("$")).map(([name, each]) => [name, bytes(each)]),
    metadata,
    payload,
    inputs,
    transports: transports.map((each) => toJson(TransportDescriptorSchema, each)),
    envelope: envelopeOf(like),
  };
}

/** What the SDK makes of a DataResponse. */
export function viewOf(response: DataResponse): View {
  const json = jsonOf(response);
  if (response.frame.case === undefined) return { keepAlive: true, envelope: envelopeOf(response) };
  if (json === null) return media(response);
  const { metadata } = response;
  const kind = metadata["bubu.envelope.kind"] || json["kind"];
  return {
    kind,
    id: metadata["bubu.envelope.message_id"] || json["messageId"],
    payload: json["payload"] ?? response.payload,
    // an SDK ends its session where an error has its payload here
    payloadInJson: kind === "error" && json["payload"] !== undefined,
    inputs: json["inputs"] ?? response.inputs,
    metadata: Object.keys(metadata).length === 0 ? json["metadata"] : metadata,
    envelope: envelopeOf(response),
  };
}

/** What an engram must see of a packet; null: nothing, since an SDK would not take it. */
export function expectedView(packet: DataPacket): View | null {
  const { frame, metadata } = packet;
  const json = jsonOf(packet);
  const keepAlive = { keepAlive: true, envelope: envelopeOf(packet) };
  if (metadata["bubu-heartbeat"] === "true") return keepAlive;
  const hasStructs = packet.payload !== undefined || packet.inputs !== undefined || packet.transports.length > 0;
  const kind = metadata["bubu.envelope.kind"] || json?.["kind"] ||
    (frame.case === undefined && hasStructs ? metadata["kind"] || "data" : undefined);
  if (kind === "noop" || kind === "heartbeat") return keepAlive;
  if (frame.case === undefined && !hasStructs) return keepAlive;
  if (frame.case === "audio") {
    const { pcm, sampleRateHz, channels } = frame.value;
    if (pcm.length === 0 || sampleRateHz < 8000 || channels < 1) return null;
  }
  if (frame.case !== undefined && json === null) return media(packet);
  return {
    kind,
    id: metadata["bubu.envelope.message_id"] || json?.["messageId"],
    payload: packet.payload ?? json?.["payload"],
    payloadInJson: false,
    inputs: packet.inputs ?? json?.["inputs"],
    metadata: Object.keys(metadata).length === 0 ? json?.["metadata"] : metadata,
    envelope: envelopeOf(packet),
  };
}

/** Text of a view whatever the order of its keys. */
export function textOf(view: View | null): string {
  return JSON.stringify(sorted(view));
}

function sorted(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, each]) => each !== undefined).sort(([a], [b]) => a < b ? -1 : 1).map((
      [key, each],
    ) => [key, sorted(each)]),
  );
}
