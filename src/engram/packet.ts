/** A packet as an engram sees it: structured content, or one frame of audio, video or bytes, with metadata. */
import type { EnvelopeTransport } from "../contract/packet-envelope.ts";
import type { JsonValue } from "../contract/resources.ts";

export interface AudioFrame {
  readonly pcm: Uint8Array;
  /** 8000 to 192000. */
  readonly sampleRateHz: number;
  /** 1 to 8. */
  readonly channels: number;
  /** `pcm16`, `opus` …; may be empty. */
  readonly codec?: string;
  /** Since the start of the audio. Default 0. */
  readonly timestampMs?: number;
}

export interface VideoFrame {
  readonly bytes: Uint8Array;
  /** Needed where the frame is encoded. */
  readonly codec?: string;
  /** Needed where the pixels are raw. */
  readonly width?: number;
  readonly height?: number;
  readonly isRaw?: boolean;
  readonly timestampMs?: number;
}

export interface BinaryFrame {
  readonly bytes: Uint8Array;
  /** Default `application/octet-stream`. */
  readonly mimeType?: string;
  readonly timestampMs?: number;
}

/** What an engram sends. Every member may be left out; at most one of `audio`, `video` and `binary` is there. */
export interface OutgoingPacket {
  /** Letters, digits, `.`, `_` and `-`: `data` where there is content and no kind, `error`, or a word of one's own. */
  readonly kind?: string;
  readonly id?: string;
  /** Of the event, since the epoch; 0 for none. */
  readonly timestampMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly payload?: JsonValue;
  readonly inputs?: JsonValue;
  readonly transports?: readonly EnvelopeTransport[];
  readonly audio?: AudioFrame;
  readonly video?: VideoFrame;
  readonly binary?: BinaryFrame;
}

/** Where a packet stands in the stream that delivers it; set where delivery is sequenced. */
export interface Position {
  readonly streamId: string;
  /** 0: not sequenced. */
  readonly sequence: bigint;
  readonly partition: string;
}

/** What an engram receives. It may be sent on as it is; its position is not sent with it. */
export interface Packet extends OutgoingPacket {
  /** Empty where the sender named none. */
  readonly kind: string;
  readonly id: string;
  readonly timestampMs: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly position: Position | null;
}
