import { create } from "@bufbuild/protobuf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DataPacketSchema, file_transport_v1_hub } from "../../gen/transport/v1/hub_pb.ts";
import {
  AudioFrameSchema,
  file_transport_v1_transport,
  StreamEnvelopeSchema,
} from "../../gen/transport/v1/transport_pb.ts";
import { limits, validateMessage } from "./bounds.ts";

const test = suite("bounds");

test("D-003 audio without rate or channels is refused", () => {
  const fields = validateMessage(AudioFrameSchema, create(AudioFrameSchema)).map((violation) => violation.field);
  assert.equal(fields, ["sample_rate_hz", "channels"]);
});

test("D-004 101 pairs, a key of 129 and a value of 1025 characters are refused, one less of each passes", () => {
  const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, ""]));
  const rules = (metadata: Record<string, string>) =>
    validateMessage(DataPacketSchema, create(DataPacketSchema, { metadata })).map((violation) => violation.rule);
  assert.equal(rules(pairs(100)), []);
  assert.equal(rules(pairs(101)), ["map.max_pairs"]);
  assert.equal(rules({ ["日".repeat(128)]: "🙂".repeat(1024) }), []);
  assert.equal(rules({ ["k".repeat(129)]: "v".repeat(1025) }), ["string.max_len", "string.max_len"]);
});

test("D-005 each rule of a chunk refuses its counter-example", () => {
  const rules = (init: Parameters<typeof create<typeof StreamEnvelopeSchema>>[1]) =>
    validateMessage(StreamEnvelopeSchema, create(StreamEnvelopeSchema, init)).map((violation) => violation.rule);
  assert.equal(rules({ chunkIndex: 1 }), ["stream_envelope.no_chunk_fields_without_count"]);
  assert.equal(rules({ chunkCount: 2, streamId: "s" }), ["stream_envelope.chunk_id_required"]);
  assert.equal(rules({ chunkCount: 2, chunkId: "c" }), ["stream_envelope.stream_id_required"]);
  assert.equal(rules({ chunkCount: 2, chunkIndex: 2, chunkId: "c", streamId: "s" }), [
    "stream_envelope.chunk_index_less_than_count",
  ]);
});

test("every limit names a field that its message has", () => {
  const messages = [...file_transport_v1_transport.messages, ...file_transport_v1_hub.messages];
  for (const [name, fields] of Object.entries(limits)) {
    const schema = messages.find((message) => message.name === name);
    assert.ok(schema !== undefined, name);
    for (const field of Object.keys(fields)) {
      assert.ok(schema.fields.some((known) => known.name === field), `${name}.${field}`);
    }
  }
});

test.run();
