/**
 * The packets that the bench sends: encoded once, of an exact size, with a place for the time of sending.
 * The stamp is a metadata value, so it survives relays that decode and encode again, whatever else they add.
 */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { DataRequestSchema } from "../gen/transport/v1/transport_pb.ts";
import { DataPacketSchema, ProcessRequestSchema } from "../gen/transport/v1/hub_pb.ts";

/** Metadata key of the time of sending, in microseconds of `performance.now`, 16 decimal digits. */
export const stampKey = "bench-sent-at";
const stampDigits = 16;
const marker = Buffer.from(stampKey, "latin1");
/** Tag and length of the map entry's value, between key and digits. */
const gapBytes = 2;
/** A stamp begins within this many bytes of a message; relays may write other fields before it. */
export const stampWithinBytes = 1024;

/** One gRPC message (prefix of five bytes and ProcessRequest) and where its stamp's digits stand. */
export interface Sample {
  readonly frame: Buffer;
  readonly stampAt: number;
}

/**
 * A packet whose encoded DataPacket has exactly `packetBytes`. Up to 600 bytes it is a transcript (metadata and a
 * `payload` Struct), up to 2,000 a frame of pcm16 audio (837 bytes hold 20 ms at 16 kHz), above that a binary frame.
 * With `fromEngram` the message is the DataRequest of the same fields.
 * Throws a plain Error for a size that cannot be had.
 */
export function buildSample(packetBytes: number, fromEngram = false): Sample {
  const packet = fit(packetBytes);
  // the fields of DataRequest are those of DataPacket under other numbers
  const message = fromEngram
    ? toBinary(DataRequestSchema, create(DataRequestSchema, packet))
    : toBinary(ProcessRequestSchema, create(ProcessRequestSchema, { packet }));
  const frame = frameOf(message);
  return { frame, stampAt: frame.indexOf(marker) + marker.length + gapBytes };
}

/** Prefixes a message with gRPC's five bytes, uncompressed. */
export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** Writes the time of sending into a copy of a sample's frame. */
export function writeStamp(frame: Buffer, stampAt: number, nowMs: number): void {
  frame.write(String(Math.round(nowMs * 1000)).padStart(stampDigits, "0"), stampAt, "latin1");
}

/** The time of sending in milliseconds of a message that begins at `start`; NaN where there is none. */
export function readStamp(bytes: Buffer, start: number, end: number): number {
  const at = bytes.indexOf(marker, start);
  if (at < 0 || at > end) return NaN;
  const digits = at + marker.length + gapBytes;
  return Number(bytes.toString("latin1", digits, digits + stampDigits)) / 1000;
}

type PacketShape = MessageInitShape<typeof DataPacketSchema> & MessageInitShape<typeof DataRequestSchema>;

function fit(packetBytes: number): PacketShape {
  // a second filler in the metadata, since a length that takes one byte more skips a size
  for (let extra = 0; extra < 4; extra++) {
    let filler = packetBytes;
    for (let tries = 0; tries < 6; tries++) {
      const packet = shape(packetBytes, Math.max(filler, 0), extra);
      const size = toBinary(DataPacketSchema, create(DataPacketSchema, packet)).length;
      if (size === packetBytes) return packet;
      filler += packetBytes - size;
    }
  }
  throw new Error(`no packet has exactly ${packetBytes} bytes`);
}

function shape(packetBytes: number, filler: number, extra: number): PacketShape {
  const metadata: Record<string, string> = {
    type: packetBytes <= 600 ? "speech.transcript.v1" : "speech.audio.v1",
    [stampKey]: "0".repeat(stampDigits),
    participant: `caller-7${"x".repeat(extra)}`,
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  };
  if (packetBytes <= 600) {
    return { metadata, payload: { text: "a".repeat(filler), confidence: 0.93, isFinal: true, language: "en" } };
  }
  if (packetBytes <= 2000) {
    const pcm = new Uint8Array(filler).fill(0x5a);
    return { metadata, frame: { case: "audio", value: { pcm, sampleRateHz: 16000, channels: 1, codec: "pcm16" } } };
  }
  const payload = new Uint8Array(filler).fill(0x5a);
  return { metadata, frame: { case: "binary", value: { payload, mimeType: "application/octet-stream" } } };
}
