import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DataPacketSchema, ProcessRequestSchema } from "../../gen/transport/v1/hub_pb.ts";
import { StreamEnvelopeSchema, VideoFrameSchema } from "../../gen/transport/v1/transport_pb.ts";
import { isTransportError } from "./errors.ts";
import { readProtoJson } from "./proto-json.ts";
import { canonicalMessage } from "./wire.ts";

const test = suite("wire");

const bytes = (...values: readonly number[]): Uint8Array => new Uint8Array(values);

function isRefused(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch (error) {
    return isTransportError(error, "InvalidPacket");
  }
}

test("what Go refuses is refused", () => {
  for (
    const bad of [
      bytes(0x0a),
      bytes(0x0e),
      bytes(0x02, 0x00),
      bytes(0x0a, 0x02, 0xff, 0xfe),
      bytes(0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02),
      bytes(0x9b, 0x06),
    ]
  ) assert.ok(isRefused(() => canonicalMessage(StreamEnvelopeSchema, bad)), String(bad));
});

test("the last scalar wins, overlong numbers are shortened, unknown fields stay at the end", () => {
  const { bytes: canonical, unknownBytes } = canonicalMessage(
    StreamEnvelopeSchema,
    bytes(0x78, 0x01, 0x10, 0x05, 0x10, 0x86, 0x80, 0x00),
  );
  assert.equal([...canonical], [0x10, 0x06, 0x78, 0x01]);
  assert.is(unknownBytes, 2);
  assert.equal([...canonicalMessage(VideoFrameSchema, bytes(0x30, 0x02)).bytes], [0x30, 0x01]);
});

test("canonical bytes do not depend on the order of a map, and making them twice changes nothing", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 6 }).map((given) => given.toWellFormed());
  fc.assert(fc.property(fc.dictionary(text, text, { maxKeys: 5 }), (metadata) => {
    const encode = (pairs: Record<string, string>): Uint8Array =>
      canonicalMessage(
        ProcessRequestSchema,
        toBinary(ProcessRequestSchema, create(ProcessRequestSchema, { packet: { metadata: pairs } })),
      ).bytes;
    const canonical = encode({ ...metadata });
    assert.equal(encode(Object.fromEntries(Object.entries(metadata).reverse())), canonical);
    assert.equal(canonicalMessage(ProcessRequestSchema, canonical).bytes, canonical);
    assert.equal({ ...fromBinary(ProcessRequestSchema, canonical).packet?.metadata }, { ...metadata });
  }));
});

test("ProtoJSON is read as strictly as Go reads it", () => {
  const fault = (text: string): string => {
    const read = readProtoJson(DataPacketSchema, text);
    return "fault" in read ? read.fault : "";
  };
  assert.is(fault('{"metadata":{"k":"v"},"envelope":{"stream_id":"s","sequence":"5"}}'), "");
  assert.match(fault('{"foo":1}'), /unknown field/);
  assert.match(fault('{"metadata":{"k":"a","k":"b"}}'), /duplicate map key/);
  assert.match(fault('{"audio":{},"video":{}}'), /already set/);
  assert.match(fault('{"binary":{"payload":"-_+/"}}'), /invalid value for a bytes field/);
  assert.match(fault('{"envelope":{"streamId":"\\ud800"}}'), /invalid escape code/);
  assert.match(fault('{"envelope":{"chunkCount":4294967296}}'), /invalid value for an integer field/);
});

test.run();
