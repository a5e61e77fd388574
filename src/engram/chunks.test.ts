import { create } from "@bufbuild/protobuf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type DataResponse, DataResponseSchema } from "../../gen/transport/v1/transport_pb.ts";
import { Chunks } from "./chunks.ts";

const chunks = suite("chunks for an engram");

function chunk(index: number, text: string, more: object = {}): DataResponse {
  const payload = new TextEncoder().encode(text);
  return create(DataResponseSchema, {
    frame: { case: "binary", value: { payload, mimeType: "text/plain" } },
    metadata: { index: String(index) },
    envelope: {
      streamId: "s",
      sequence: 4n,
      partition: "p",
      chunkId: "c",
      chunkIndex: index,
      chunkCount: 3,
      ...more,
    },
  });
}

const textOf = ({ frame }: DataResponse) =>
  frame.case === "binary" ? new TextDecoder().decode(frame.value.payload) : "";

chunks("parts in any order are one packet, as its first part was, with its place in the stream", () => {
  const all = new Chunks();
  assert.is(all.add(chunk(2, "c"), 0), null);
  assert.is(all.add(chunk(0, "a"), 0), null);
  assert.is(all.add(chunk(0, "twice"), 0), null);
  const whole = all.add(chunk(1, "b", { totalBytes: 3, chunkBytes: 1 }), 0)!;
  assert.is(textOf(whole), "abc");
  assert.equal(whole.metadata, { index: "2" });
  const { streamId, sequence, partition, chunkId, chunkCount } = whole.envelope!;
  assert.equal([streamId, sequence, partition, chunkId, chunkCount], ["s", 4n, "p", "", 0]);
});

chunks("a packet that is none passes", () => {
  const whole = create(DataResponseSchema, { envelope: { streamId: "s", sequence: 1n } });
  assert.is(new Chunks().add(whole, 0), whole);
});

chunks("what does not fit together is named", () => {
  const fault = (...parts: DataResponse[]) => {
    const all = new Chunks();
    for (const part of parts) all.add(part, 0);
  };
  assert.throws(() => fault(chunk(3, "a")), /do not fit together/);
  assert.throws(() => fault(chunk(0, "a", { chunkId: "" })), /do not fit together/);
  assert.throws(() => fault(chunk(0, "a", { chunkBytes: 2 })), /1 bytes instead of 2/);
  assert.throws(() => fault(chunk(0, "a"), chunk(1, "b", { chunkCount: 2 })), /2 chunks, 3 were said before/);
  const last = chunk(2, "c", { totalBytes: 9 });
  assert.throws(() => fault(chunk(0, "a"), chunk(1, "b"), last), /3 bytes in all instead of 9/);
});

chunks("256 packets at most wait for their rest, for two minutes", () => {
  const all = new Chunks();
  for (let i = 0; i < 256; i++) all.add(chunk(0, "a", { chunkId: `c${i}` }), 0);
  assert.throws(() => all.add(chunk(0, "a", { chunkId: "one more" }), 0), /256 packets wait for their rest/);
  assert.is(all.add(chunk(0, "a", { chunkId: "later" }), 120_001), null);
});

chunks.run();
