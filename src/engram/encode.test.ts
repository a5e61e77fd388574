import { fromBinary, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DataRequestSchema, DataResponseSchema } from "../../gen/transport/v1/transport_pb.ts";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import type { OutgoingPacket, Packet } from "./packet.ts";

const packets = suite("packets of an engram");
const limit = 10_485_760;

/** What arrives where a connector passes a packet on as it came. */
function passed(packet: OutgoingPacket): Packet | null {
  return decodePacket(fromBinary(DataResponseSchema, encodePacket(packet, limit)));
}

const bare = { kind: "", id: "", timestampMs: 0, metadata: {}, position: null };

packets("what is sent arrives, in all forms", () => {
  const metadata = fc.dictionary(fc.stringMatching(/^[a-z.]{1,20}$/), fc.string({ maxLength: 40 }), {
    maxKeys: 5,
    noNullPrototype: true,
  });
  const head = {
    kind: fc.constantFrom("data", "hook", "my.kind-1"),
    id: fc.stringMatching(/^[a-z0-9-]{1,20}$/),
    timestampMs: fc.nat(2 ** 48),
    metadata,
  };
  const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)));
  const plain = { noNullPrototype: true };
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 50 });
  const timestampMs = fc.nat();
  const any = fc.oneof(
    fc.record({ ...head, payload: json, inputs: json }, plain),
    fc.record({
      ...head,
      audio: fc.record({
        pcm: bytes,
        sampleRateHz: fc.constantFrom(8_000, 48_000),
        channels: fc.constantFrom(1, 8),
        codec: fc.constantFrom("", "opus"),
        timestampMs,
      }, plain),
    }, plain),
    fc.record({ ...head, binary: fc.record({ bytes, mimeType: fc.constant("image/png"), timestampMs }, plain) }, plain),
  );
  fc.assert(fc.property(any, (packet) => {
    assert.equal(passed(packet as OutgoingPacket), { ...packet, position: null });
  }));
});

packets("a frame may have an object beside it, which stays an object", () => {
  const audio = { pcm: new Uint8Array(2), sampleRateHz: 8_000, channels: 1, codec: "pcm16", timestampMs: 20 };
  assert.equal(passed({ audio, payload: { vad: true } }), { ...bare, audio, payload: { vad: true } });
  assert.throws(() => passed({ audio, payload: [1] }), /payload beside a frame is not an object/);
});

packets(
  "structured content has the Structs beside its envelope, content that is no object is in the envelope alone",
  () => {
    const request = (packet: OutgoingPacket) => fromBinary(DataRequestSchema, encodePacket(packet, limit));
    assert.equal(request({ payload: { a: 1 } }).payload, { a: 1 });
    assert.is(request({ payload: "text" }).payload, undefined);
    assert.equal(passed({ payload: "text" })?.payload, "text");
    assert.equal(passed({ payload: null })?.payload, null);
  },
);

packets("what ends a receiver's session is refused, with the fault named", () => {
  const refused: [OutgoingPacket, RegExp][] = [
    [{}, /nothing in it/],
    [{ kind: "a b", payload: 1 }, /kind "a b" has other than/],
    [{ kind: "noop", payload: 1 }, /kind noop is the connector's own/],
    [{ kind: "error" }, /kind error has no payload/],
    [{ timestampMs: -1, payload: 1 }, /timestampMs -1/],
    [{ video: { bytes: new Uint8Array(1) } }, /encoded video needs a codec/],
    [{ video: { bytes: new Uint8Array(1), isRaw: true } }, /raw video needs width and height/],
    [{ audio: { pcm: new Uint8Array(2), sampleRateHz: 1, channels: 1 } }, /audio\.sample_rate_hz/],
    [{ metadata: { k: "x".repeat(1025) }, id: "a" }, /packet "a": metadata/],
  ];
  for (const [packet, fault] of refused) assert.throws(() => encodePacket(packet, limit), fault);
  const big = { binary: { bytes: new Uint8Array(100) } };
  assert.throws(() => encodePacket(big, 50), /is over the limit of 50 bytes/);
});

packets("a heartbeat, a noop and an empty packet are no packets for an engram", () => {
  const response = (fields: Parameters<typeof toBinary<typeof DataResponseSchema>>[1]) => decodePacket(fields);
  const request = fromBinary(DataResponseSchema, encodePacket({ payload: 1 }, limit));
  assert.is(response({ ...request, metadata: { "bubu-heartbeat": "true" } }), null);
  assert.is(response({ ...request, metadata: { "bubu.envelope.kind": "noop" } }), null);
  assert.is(response({ ...request, frame: { case: undefined } }), null);
});

packets.run();
