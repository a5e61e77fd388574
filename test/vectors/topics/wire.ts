/** Protobuf bytes and ProtoJSON of the wire's messages (data-plane D-001, D-002, 1.3, 1.4). */
import { Buffer } from "node:buffer";
import { fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import type { JsonValue } from "@bufbuild/protobuf";
import { readProtoJson } from "../../../src/contract/proto-json.ts";
import { canonicalMessage } from "../../../src/contract/wire.ts";
import { messageSchema } from "../messages.ts";
import { type Answer, attempt, topicByOperation } from "../topic.ts";

interface Encoded {
  readonly message: string;
  readonly hex: string;
}

interface Json {
  readonly message: string;
  readonly text: string;
}

export const wire = topicByOperation({
  /** Both ways through the generated code: the bytes give the JSON, and the JSON the bytes. */
  roundtrip: ({ message, hex }: Encoded) =>
    attempt(() => {
      const schema = messageSchema(message);
      const json = toJson(schema, fromBinary(schema, bytesOf(hex)));
      const back = canonicalMessage(schema, toBinary(schema, fromJson(schema, json))).bytes;
      if (hexOf(back) !== hex) return { json, size: back.length, reencodedHex: hexOf(back) };
      return { json, size: back.length };
    }),
  decode: ({ message, hex }: Encoded) =>
    attempt(() => {
      const schema = messageSchema(message);
      const { bytes, knownBytes, unknownBytes, hasJson } = canonicalMessage(schema, bytesOf(hex));
      const json: JsonValue = hasJson ? toJson(schema, fromBinary(schema, knownBytes)) : null;
      return { json, unknownBytes, reencodedHex: hexOf(bytes) };
    }),
  fromJson({ message, text }: Json): Answer {
    const schema = messageSchema(message);
    const read = readProtoJson(schema, text);
    if ("fault" in read) return { error: read.fault };
    return { output: { hex: hexOf(canonicalMessage(schema, toBinary(schema, read.message)).bytes) } };
  },
});

function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
