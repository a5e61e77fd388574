import { create, equals, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DataPacketSchema, ProcessRequestSchema } from "../../gen/transport/v1/hub_pb.ts";
import { DataRequestSchema, DataResponseSchema } from "../../gen/transport/v1/transport_pb.ts";
import { join } from "../delivery/encode.ts";
import { RequestScan, scanSparse } from "../delivery/scan.ts";
import { Slab } from "../delivery/slab.ts";
import { Fields, toEngramForm, toPacketForm } from "./fields.ts";
import { EngramRequest } from "./request.ts";

const test = suite("fields");

const text = fc.string({ maxLength: 8, unit: "grapheme" });
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 1, max: 20_000 }).map((length) => new Uint8Array(length).fill(7)),
);
const struct = fc.dictionary(text, fc.oneof(text, fc.double({ noNaN: true }), fc.boolean(), fc.constant(null)), {
  maxKeys: 3,
});
const message = fc.record({
  frame: fc.oneof(
    fc.constant({ case: undefined }),
    bytes.map((pcm) => ({ case: "audio" as const, value: { pcm, sampleRateHz: 16000, channels: 1, codec: "pcm16" } })),
    bytes.map((payload) => ({ case: "video" as const, value: { payload, codec: "h264", timestampMs: 3n } })),
    bytes.map((payload) => ({ case: "binary" as const, value: { payload, mimeType: "a/b" } })),
  ),
  metadata: fc.dictionary(text.filter((key) => key !== ""), text, { maxKeys: 4 }),
  payload: fc.option(struct, { nil: undefined }),
  inputs: fc.option(struct, { nil: undefined }),
  envelope: fc.option(fc.record({ streamId: text, sequence: fc.bigInt(0n, 2n ** 40n), partition: text }), {
    nil: undefined,
  }),
});

type Init = MessageInitShape<typeof DataRequestSchema> & MessageInitShape<typeof DataPacketSchema>;

function defined(value: object): Init {
  // undefined members are absent ones for `create`
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Init;
}

test("an engram's request is the same packet in the hub's numbering, whatever it holds", () => {
  fc.assert(fc.property(message, (value) => {
    const request = toBinary(DataRequestSchema, create(DataRequestSchema, defined(value)));
    const read = new EngramRequest();
    assert.is(read.read(request, 0, request.length), null);
    const { packet } = fromBinary(ProcessRequestSchema, join(read.parts));
    assert.ok(equals(DataPacketSchema, packet!, create(DataPacketSchema, defined(value))));
    assert.is(read.size, request.length);
    assert.is(read.hasFrame, value.frame.case !== undefined);
  }));
});

test("a hub's packet is the same response in the engram's numbering", () => {
  fc.assert(fc.property(message, (value) => {
    const packet = toBinary(DataPacketSchema, create(DataPacketSchema, defined(value)));
    const fields = new Fields();
    assert.ok(fields.walk(packet, 0, packet.length));
    const response = fromBinary(DataResponseSchema, join(toEngramForm(packet, 0, packet.length, fields, new Slab())));
    assert.ok(equals(DataResponseSchema, response, create(DataResponseSchema, defined(value))));
  }));
});

test("a long body is not copied, and what is around it suffices for the scan", () => {
  const pcm = new Uint8Array(64 * 1024).fill(1);
  const audio = { frame: { case: "audio" as const, value: { pcm, sampleRateHz: 16000, channels: 1 } } };
  const request = toBinary(DataRequestSchema, create(DataRequestSchema, { ...audio, metadata: { a: "b" } }));
  const fields = new Fields();
  fields.walk(request, 0, request.length);
  const [head, bulk, tail] = toPacketForm(request, 0, request.length, fields, new Slab());
  assert.is(bulk?.buffer, request.buffer);
  assert.ok(head!.length + tail!.length < 200);
  const scan = new RequestScan();
  assert.ok(scanSparse(join([head!, tail!]), head!.length, bulk!.length, scan));
  assert.equal([scan.lane, scan.hasContent], [1, true]);
});

test("what is no packet is refused with a reason", () => {
  const read = new EngramRequest();
  for (const bytes of [Uint8Array.of(0x0a, 0x05, 1), Uint8Array.of(0x22, 0x80)]) {
    assert.type(read.read(bytes, 0, bytes.length), "string");
  }
  const tooFast = toBinary(
    DataRequestSchema,
    create(DataRequestSchema, { frame: { case: "audio", value: { pcm: Uint8Array.of(1), sampleRateHz: 1 } } }),
  );
  assert.match(read.read(tooFast, 0, tooFast.length) ?? "", "sample_rate_hz");
});

test.run();
