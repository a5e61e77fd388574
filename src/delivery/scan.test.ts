import { create, equals, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DataPacketSchema, ProcessRequestSchema } from "../../gen/transport/v1/hub_pb.ts";
import { join } from "./encode.ts";
import { laneKinds, type Packet } from "./packet.ts";
import { buildPacket } from "./build-packet.ts";
import { RequestScan, scanFlow, scanRequest, scanSparse } from "./scan.ts";
import { isUtf8 } from "./utf8.ts";
import { SparseMessage } from "./sparse-message.ts";

const test = suite("scan");
type PacketInit = MessageInitShape<typeof DataPacketSchema>;

const text = fc.string({ maxLength: 12, unit: "grapheme" });
const metadata = fc.dictionary(
  fc.oneof(
    text.filter((key) => key !== ""),
    fc.constantFrom(
      "storyrun-name",
      "storyrun-namespace",
      "current-step-id",
      "materialize-next-step",
      "bubu-heartbeat",
    ),
  ),
  fc.oneof(text, fc.constantFrom("true", "false")),
  { maxKeys: 8 },
);
const struct = fc.option(fc.dictionary(text, fc.oneof(text, fc.integer(), fc.boolean())), { nil: undefined });
const body = fc.uint8Array({ maxLength: 9000 });
const frame = fc.oneof(
  fc.constant({ case: undefined }),
  fc.record({
    case: fc.constant("audio" as const),
    value: fc.record({
      pcm: body,
      sampleRateHz: fc.constant(16000),
      channels: fc.constant(1),
      codec: fc.constant("pcm16"),
    }),
  }),
  fc.record({
    case: fc.constant("video" as const),
    value: fc.record({ payload: body, codec: fc.constantFrom("", "h264"), width: fc.nat({ max: 16384 }) }),
  }),
  fc.record({ case: fc.constant("binary" as const), value: fc.record({ payload: body, mimeType: text }) }),
);
const envelope = fc.option(
  fc.record({ streamId: text, sequence: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), partition: text }),
  { nil: undefined },
);
const packets: fc.Arbitrary<PacketInit> = fc.record({
  metadata,
  payload: struct as fc.Arbitrary<PacketInit["payload"]>,
  inputs: struct as fc.Arbitrary<PacketInit["inputs"]>,
  frame: frame as fc.Arbitrary<PacketInit["frame"]>,
  envelope,
});

const hubKeys = ["storyrun-name", "storyrun-namespace", "current-step-id", "materialize-next-step"];

/** What must be left of a packet once the hub's own fields are taken out. */
function expected(init: PacketInit, withoutInputs: boolean) {
  const packet = create(DataPacketSchema, init);
  for (const key of hubKeys) delete packet.metadata[key];
  packet.envelope = undefined;
  if (withoutInputs) packet.inputs = undefined;
  return packet;
}

function bodyOf(packet: Packet) {
  const bytes = join(packet.parts ?? [packet.buffer.subarray(packet.start, packet.end)]);
  assert.is(bytes.length, packet.bytes);
  return fromBinary(DataPacketSchema, bytes);
}

test("law: a scanned packet is the packet without envelope and the hub's keys, whole or in parts", () => {
  const scan = new RequestScan();
  fc.assert(
    fc.property(
      packets,
      fc.boolean(),
      fc.nat(),
      fc.integer({ min: 1, max: 4000 }),
      (init, withoutInputs, pad, size) => {
        const request = toBinary(ProcessRequestSchema, create(ProcessRequestSchema, { packet: init }));
        const before = pad % 7;
        const bytes = new Uint8Array(before + request.length + 3);
        bytes.set(request, before);
        assert.is(scanRequest(bytes, before, before + request.length, scan), null);
        assert.is(scan.unusual, false);
        const packet = buildPacket(bytes, scan, withoutInputs, null);
        assert.ok(equals(DataPacketSchema, bodyOf(packet), expected(init, withoutInputs)));
        const lane = init.frame?.case ?? "payload";
        assert.is(laneKinds[packet.lane], lane);
        assert.is(packet.hasContent, init.payload !== undefined || init.inputs !== undefined || lane !== "payload");
        assert.is(scan.isHeartbeat, init.metadata?.["bubu-heartbeat"] === "true");
        assert.is(packet.partition !== null, Boolean(init.envelope?.partition));
        if (request.length < 4096) return;
        const parts: Uint8Array[] = [];
        for (let at = 0; at < request.length; at += size) parts.push(request.subarray(at, at + size));
        const sparse = new SparseMessage(parts, request.length);
        if (!scanSparse(sparse.ends, sparse.gapAt, sparse.gapBytes, scan)) return;
        const again = buildPacket(sparse.ends, scan, withoutInputs, sparse);
        assert.ok(equals(DataPacketSchema, bodyOf(again), expected(init, withoutInputs)));
      },
    ),
  );
});

test("a long audio packet in parts is scanned by its ends", () => {
  const init: PacketInit = {
    metadata: { id: "1", "storyrun-name": "old" },
    frame: { case: "audio", value: { pcm: new Uint8Array(65000).fill(7), sampleRateHz: 16000, channels: 1 } },
    envelope: { streamId: "s", partition: "p" },
  };
  const request = toBinary(ProcessRequestSchema, create(ProcessRequestSchema, { packet: init }));
  const parts = [request.subarray(0, 16000), request.subarray(16000, 60000), request.subarray(60000)];
  const sparse = new SparseMessage(parts, request.length);
  const scan = new RequestScan();
  assert.ok(scanSparse(sparse.ends, sparse.gapAt, sparse.gapBytes, scan));
  const packet = buildPacket(sparse.ends, scan, false, sparse);
  assert.ok(equals(DataPacketSchema, bodyOf(packet), expected(init, false)));
});

/** A packet without `payload` and `inputs`, which the scan does not look into: a change may turn a field into one. */
function withoutStructs(packet: Uint8Array): Uint8Array {
  const reader = new BinaryReader(packet);
  const kept: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, type] = reader.tag();
    BinaryReader.prototype.skip.call(reader, type, number);
    if (type !== WireType.LengthDelimited || (number !== 2 && number !== 3)) {
      kept.push(packet.subarray(start, reader.pos));
    }
  }
  return join(kept);
}

test("law: no bytes make the scan throw or run on, and what it accepts the decoder accepts", () => {
  const scan = new RequestScan();
  const mutated = fc.tuple(packets, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }));
  fc.assert(
    fc.property(mutated, ([init, changes]) => {
      const bytes = toBinary(
        ProcessRequestSchema,
        create(ProcessRequestSchema, { packet: { ...init, payload: undefined, inputs: undefined } }),
      );
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
      if (scanRequest(bytes, 0, bytes.length, scan) !== null || scan.unusual || scan.packetStart < 0) return;
      fromBinary(DataPacketSchema, withoutStructs(bytes.subarray(scan.packetStart, scan.packetEnd)));
    }),
    { numRuns: 1000 },
  );
});

test("text is UTF-8 exactly where a strict decoder takes it", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const accepts = (bytes: Uint8Array) => {
    try {
      strict.decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.array(fc.constantFrom(0x41, 0x80, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xa0, 0x9f, 0xf0, 0x8f, 0x90, 0xf4, 0xf5), {
      maxLength: 5,
    })
      .map((list) => Uint8Array.from(list)),
  );
  fc.assert(fc.property(bytes, (each) => assert.is(isUtf8(each, 0, each.length), accepts(each))), { numRuns: 2000 });
  const within = fc.record({ before: fc.nat(20), bytes, after: fc.nat(20) }).map((each) =>
    Uint8Array.from([...Array(each.before).fill(0x61), ...each.bytes, ...Array(each.after).fill(0x7a)])
  );
  fc.assert(fc.property(within, (each) => assert.is(isUtf8(each, 0, each.length), accepts(each))), { numRuns: 2000 });
});

test("credits of a flow are read, and more than 256 partition acknowledgements refused", () => {
  const flow = { messages: 0, bytes: 0 };
  const encode = (partitionAcks: number) => {
    const acks = Array.from({ length: partitionAcks }, (_, i) => ({ partition: `p${i}`, ack: 1n }));
    const request = create(ProcessRequestSchema, {
      flow: { ack: 9n, creditsMessages: 3, creditsBytes: 4_000_000_000, partitionAcks: acks },
    });
    const bytes = toBinary(ProcessRequestSchema, request);
    const scan = new RequestScan();
    assert.is(scanRequest(bytes, 0, bytes.length, scan), null);
    return scanFlow(bytes, scan.flowStart, scan.flowEnd, flow);
  };
  assert.is(encode(256), null);
  assert.equal(flow, { messages: 3, bytes: 4_000_000_000 });
  assert.match(encode(257) ?? "", /at most 256/);
});

test.run();
