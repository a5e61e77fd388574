/** The packets of this example: frames of audio, segments, and the one that says that there are no more. */
import type { OutgoingPacket, Packet } from "bobravoz/engram";

export const sampleRateHz = 16_000;
export const frameMs = 20;
/** One frame: 20 ms of 16-bit samples. */
export const frameBytes = sampleRateHz * frameMs / 1000 * 2;

/** A segment of speech, as it stands in packets, in what the writer writes and in `expected.json`. */
export interface Segment {
  readonly startMs: number;
  readonly endMs: number;
  readonly frames: number;
}

const endType = "speech.audio.done";

/** A packet of audio that begins `timestampMs` after the start of the stream. */
export function audioPacket(pcm: Uint8Array, timestampMs: number, type: string): OutgoingPacket {
  return { metadata: { type }, audio: { pcm, sampleRateHz, channels: 1, codec: "pcm16", timestampMs } };
}

/** The last packet of a stream; `frames` is how many there were. */
export function endPacket(frames: number): OutgoingPacket {
  return { metadata: { type: endType }, payload: { frames } };
}

export function isEnd({ metadata }: Packet): boolean {
  return metadata["type"] === endType;
}

/** The audio of a packet. Throws for one without. */
export function audioOf({ audio }: Packet): { readonly pcm: Uint8Array; readonly atMs: number } {
  if (audio === undefined) throw new Error("a packet has no audio");
  return { pcm: audio.pcm, atMs: audio.timestampMs ?? 0 };
}

/** Root mean square and peak of 16-bit samples, 0 to 32768. */
export function level(pcm: Uint8Array): { readonly rms: number; readonly peak: number } {
  const view = new DataView(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  let squares = 0;
  let peak = 0;
  for (let at = 0; at + 1 < pcm.length; at += 2) {
    const sample = view.getInt16(at, true);
    squares += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  return { rms: Math.sqrt(squares / Math.max(pcm.length / 2, 1)), peak };
}
