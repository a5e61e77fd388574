/** The packet envelope, stream types and enums (data-plane 1.4, 1.5). */
import {
  ControlActionSchema,
  FlowControlSignalSchema,
  StreamTypeSchema,
} from "../../../gen/transport/v1/transport_pb.ts";
import { utf8Bytes } from "../../../src/contract/json-text.ts";
import {
  type PacketEnvelope,
  readEnvelopeFrame,
  readPacketEnvelope,
  writeEnvelopeFrame,
  writeHookPayload,
  writePacketEnvelope,
} from "../../../src/contract/packet-envelope.ts";
import { streamTypes } from "../../../src/contract/stream-types.ts";
import { type Answer, attempt, joinParts, topicByOperation } from "../topic.ts";

interface Written {
  readonly envelope: Omit<PacketEnvelope, "timestampMs" | "payload" | "inputs"> & {
    readonly timestampMs?: number;
    readonly payloadText?: string;
    readonly inputsText?: string;
  };
}

interface Read {
  readonly text?: string;
  readonly textParts?: Parameters<typeof joinParts>[0];
}

interface Framed {
  readonly text: string;
  readonly mimeType: string;
  readonly timestampMs: string;
}

const enums = [ControlActionSchema, FlowControlSignalSchema, StreamTypeSchema];

export const packetEnvelope = topicByOperation({
  write: ({ envelope }: Written) => attempt(() => ({ text: writePacketEnvelope(envelopeOf(envelope)) })),
  writeFrame: ({ envelope }: Written) =>
    attempt(() => {
      const { payload, mimeType, timestampMs } = writeEnvelopeFrame(envelopeOf(envelope));
      return { bytes: payload.length, mimeType, timestampMs: String(timestampMs) };
    }),
  read: ({ text, textParts }: Read) =>
    attempt(() => {
      const envelope = readPacketEnvelope(text ?? joinParts(textParts ?? []));
      // A text in parts is too long to be recorded whole.
      return textParts === undefined ? shown(envelope) : { messageIdLength: envelope.messageId.length };
    }),
  readFrame: ({ text, mimeType, timestampMs }: Framed) =>
    attempt(() => shown(readEnvelopeFrame({ payload: utf8Bytes(text), mimeType, timestampMs: BigInt(timestampMs) }))),
  hookPayload: ({ hook }: { readonly hook: Parameters<typeof writeHookPayload>[0] }): Answer => ({
    output: { text: writeHookPayload(hook) },
  }),
  streamType: ({ number }: { readonly number: keyof typeof streamTypes }): Answer => ({
    output: { name: nameOf("StreamType", number), canonical: streamTypes[number] },
  }),
  enum: ({ enum: name, number }: { readonly enum: string; readonly number: number }): Answer => ({
    output: nameOf(name, number),
  }),
});

function nameOf(name: string, number: number): string | undefined {
  return enums.find((schema) => schema.name === name)?.values.find((value) => value.number === number)?.name;
}

function envelopeOf({ timestampMs, payloadText, inputsText, ...rest }: Written["envelope"]): Partial<PacketEnvelope> {
  return { ...rest, timestampMs: BigInt(timestampMs ?? 0), payload: payloadText, inputs: inputsText };
}

function shown({ timestampMs, payload, inputs, ...rest }: PacketEnvelope) {
  return { ...rest, timestampMs: String(timestampMs), payloadText: payload, inputsText: inputs };
}
