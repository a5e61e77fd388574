/** The numbered statements on connector and SDK (data-plane 11) between a scripted engram and a scripted hub. */
import { create, toBinary } from "@bufbuild/protobuf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ControlAction, DataRequestSchema, type DataResponse } from "../../gen/transport/v1/transport_pb.ts";
import { type BedOptions, connectorBed } from "../support/connector-bed.ts";
import { eventually } from "../support/eventually.ts";
import { ScriptHub } from "../support/script-hub.ts";

const test = suite("connector session");
const utf8 = new TextEncoder();
const mime = "application/vnd.bubu.packet+json";

/** Hub, connector and what a test needs of both. */
async function bed(options: Omit<BedOptions, "hub"> = {}) {
  const hub = await ScriptHub.start();
  const connector = await connectorBed({ hub: hub.address, ...options });
  const stream = await hub.stream();
  return {
    hub,
    connector,
    stream,
    async [Symbol.asyncDispose]() {
      await connector[Symbol.asyncDispose]();
      await hub[Symbol.asyncDispose]();
    },
  };
}

function json(response: DataResponse | undefined): Record<string, unknown> {
  if (response?.frame.case !== "binary") throw new Error("no binary frame");
  return JSON.parse(new TextDecoder().decode(response.frame.value.payload));
}

const envelope = (sequence: number, streamId = "demo/run/b", partition = "") => ({
  streamId,
  sequence: BigInt(sequence),
  partition,
});

test("D-048 connector.ready with a legal startup.capabilities is the first message on Control", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  const ready = await engram.directive(ControlAction.CONNECTOR_READY);
  assert.is(engram.control[0], ready);
  assert.is(ready.metadata["startup.capabilities"], "none");
});

test("D-048 a stream without the protocol version is refused as the SDK's final failures are", async () => {
  await using t = await bed();
  await using engram = t.connector.engram({ data: {}, control: { "bubu-transport-protocol": "1.0.1" } });
  const data = await eventually("end of Data", () => engram.dataEnd);
  const control = await eventually("end of Control", () => engram.controlEnd);
  assert.equal([data.code, control.code], [9, 9]);
  assert.is(control.message, 'unsupported transport protocol version "1.0.1" (expected 1.0.0)');
});

test("D-049 without anybody to report to no capabilities are known, and none are sent", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  await engram.directive(ControlAction.HANDOFF_CUTOVER);
  assert.equal(engram.control.map(({ action }) => action), [
    ControlAction.CONNECTOR_READY,
    ControlAction.HANDOFF_CUTOVER,
  ]);
});

test("D-050 an ack uses received and handled, and neither an ack nor a receipt gets one", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  await engram.directive(ControlAction.CONNECTOR_READY);
  engram.say({ action: ControlAction.ACK, metadata: { type: "connector.ready", handled: "true" } });
  engram.receipt(1);
  const asked = [
    { action: ControlAction.START },
    { customAction: "resume" },
    { action: ControlAction.HEARTBEAT, metadata: { ts: "1" } },
    { action: ControlAction.CODEC_SELECT },
    { action: ControlAction.NOOP },
    { customAction: "my.custom" },
    {},
    { action: ControlAction.STOP, customAction: "start" },
  ];
  for (const message of asked) engram.say(message);
  await engram.directive(ControlAction.ACK, asked.length - 1);
  assert.equal(engram.control.filter(({ action }) => action === ControlAction.ACK).map(({ metadata }) => metadata), [
    { received: "start", handled: "true" },
    { received: "resume", handled: "true" },
    { received: "heartbeat", handled: "true", status: "alive" },
    { received: "codec-select", handled: "false", reason: "codec selection not implemented" },
    { received: "noop", handled: "false", reason: "empty" },
    { received: "my.custom", handled: "false", reason: "unknown" },
    { received: "", handled: "false", reason: "unknown" },
    { received: "start", handled: "true" },
  ]);
});

test("D-051 a structured packet is an envelope frame without Structs; media frames keep theirs", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  t.stream.send({
    metadata: { kind: "hook", "bubu.envelope.message_id": "m-1", type: "t" },
    payload: { text: "hi", n: 1.5 },
    inputs: { lang: "en" },
    transports: [{ name: "rt", kind: "k", mode: "hot", typedConfig: { transportRef: "ref" } }],
    envelope: envelope(0),
  });
  t.stream.send({
    frame: { case: "audio", value: { pcm: new Uint8Array(8), sampleRateHz: 16000, channels: 1, codec: "pcm16" } },
    metadata: { type: "audio" },
    payload: { vad: true },
    inputs: { x: 1 },
  });
  t.stream.send({ frame: { case: "video", value: { payload: new Uint8Array(3), codec: "h264" } }, payload: { a: 1 } });
  t.stream.send({
    frame: { case: "binary", value: { payload: new Uint8Array(4), mimeType: "a/b" } },
    inputs: { b: 2 },
  });
  const [structured, audio, video, raw] = await engram.packets(4);
  assert.equal(json(structured), {
    version: "v1",
    kind: "hook",
    messageId: "m-1",
    metadata: { kind: "hook", "bubu.envelope.message_id": "m-1", type: "t" },
    payload: { text: "hi", n: 1.5 },
    inputs: { lang: "en" },
    transports: [{ name: "rt", kind: "k", mode: "hot", typedConfig: { transportRef: "ref" } }],
  });
  assert.is(structured?.frame.case === "binary" && structured.frame.value.mimeType, mime);
  assert.equal([structured?.payload, structured?.inputs, structured?.transports], [undefined, undefined, []]);
  assert.is(structured?.metadata["type"], "t");
  assert.equal([audio?.frame.case, audio?.payload, audio?.inputs], ["audio", { vad: true }, { x: 1 }]);
  assert.equal([video?.frame.case, video?.payload], ["video", { a: 1 }]);
  assert.equal([raw?.frame.case, raw?.inputs], ["binary", { b: 2 }]);
});

test("D-052 inputs that the hub evaluated stand in the engram's own envelope frame", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  const own = { version: "v1", kind: "data", messageId: "m", payload: { a: 1 }, inputs: { lang: "en" } };
  const frame = {
    case: "binary" as const,
    value: { payload: utf8.encode(JSON.stringify(own)), mimeType: mime },
  };
  t.stream.send({ frame, payload: { a: 1 }, inputs: { lang: "de" }, metadata: { x: "1" } });
  t.stream.send({ frame, payload: { a: 1 }, inputs: { lang: "en" }, metadata: { x: "1" } });
  const [changed, same] = await engram.packets(2);
  assert.equal(json(changed), { ...own, inputs: { lang: "de" } });
  assert.equal([changed?.payload, changed?.inputs], [undefined, undefined]);
  assert.equal(json(same), own);
});

test("D-053 a sequenced packet is acknowledged after its receipt, an unsequenced one once it was sent", async () => {
  await using t = await bed({ settings: { flowControl: { mode: "credits" }, delivery: { ordering: "per_stream" } } });
  await using engram = t.connector.engram();
  t.stream.send({ payload: { n: 0 } });
  await eventually("credit of the unsequenced one", () => t.stream.credits.messages === 1);
  assert.is(t.stream.credits.ack, 0);
  for (const n of [1, 2, 3]) t.stream.send({ payload: { n }, envelope: envelope(n) });
  await engram.packets(4);
  assert.is(t.stream.credits.messages, 1);
  engram.receipt(1);
  await eventually("acknowledgement of 1", () => t.stream.credits.ack === 1);
  engram.receipt(3);
  await eventually("credit of 3", () => t.stream.credits.messages === 3);
  assert.is(t.stream.credits.ack, 1, "only the highest contiguous sequence is acknowledged");
  engram.receipt(2);
  await eventually("acknowledgement of 3", () => t.stream.credits.ack === 3);
});

test("D-053 per partition, acknowledgements are by partition and sorted", async () => {
  await using t = await bed({
    settings: {
      flowControl: { mode: "credits", ackEvery: { messages: 3, maxDelay: "10s" } },
      delivery: { ordering: "per_partition" },
    },
  });
  await using engram = t.connector.engram();
  t.stream.send({ payload: { n: 0 } });
  await eventually("the first is told at once", () => t.stream.flows.length === 1);
  for (const [partition, n] of [["q", 1], ["p", 1], ["q", 2]] as const) {
    t.stream.send({ payload: { n }, envelope: envelope(n, "demo/run/b", partition) });
  }
  await engram.packets(4);
  engram.receipt(1, { partition: "q" });
  engram.receipt(2, { partition: "q" });
  engram.receipt(1, { partition: "p" });
  const flow = await eventually("acknowledgements", () => t.stream.flows[1]);
  assert.equal(flow.partitionAcks.map(({ partition, ack }) => [partition, ack]), [["p", 1n], ["q", 2n]]);
  assert.is(flow.ack, 0n);
});

test("D-053 what is pending is told after maxDelay, also while the stream is idle", async () => {
  await using t = await bed({
    settings: { flowControl: { mode: "credits", ackEvery: { messages: 100, maxDelay: "50ms" } } },
  });
  await using engram = t.connector.engram();
  t.stream.send({ payload: { n: 0 } });
  await eventually("the first is told at once", () => t.stream.credits.messages === 1);
  t.stream.send({ payload: { n: 1 } });
  await engram.packets(2);
  await eventually("the second is told by the timer", () => t.stream.credits.messages === 2);
});

test("D-054 credits equal the receipts' count and size_bytes", async () => {
  await using t = await bed({ settings: { flowControl: { mode: "credits" }, delivery: { ordering: "per_stream" } } });
  await using engram = t.connector.engram();
  for (const n of [1, 2]) t.stream.send({ payload: { n }, envelope: envelope(n) });
  await engram.packets(2);
  engram.receipt(1, { sizeBytes: 331 });
  engram.receipt(2, { sizeBytes: 12 });
  await eventually("credits", () => t.stream.credits.messages === 2);
  assert.is(t.stream.credits.bytes, 343);
  engram.receipt(2, { sizeBytes: 12 });
  engram.say({ action: ControlAction.HEARTBEAT });
  await engram.directive(ControlAction.ACK);
  assert.is(t.stream.credits.bytes, 343, "a receipt counts once");
});

test("D-055 a receipt for a packet that was sent again goes on to the hub", async () => {
  await using t = await bed({ settings: { flowControl: { mode: "credits" }, delivery: { ordering: "per_stream" } } });
  await using engram = t.connector.engram();
  t.stream.send({ payload: { n: 1 }, envelope: envelope(1) });
  await engram.packets(1);
  engram.receipt(1);
  await eventually("acknowledgement", () => t.stream.credits.ack === 1);
  t.stream.send({ payload: { n: 1 }, envelope: envelope(1) });
  await engram.packets(2);
  engram.receipt(1);
  await eventually("the second acknowledgement", () => t.stream.flows.filter(({ ack }) => ack === 1n).length === 2);
  t.stream.end({ code: 14, message: "away" });
  const again = await t.hub.stream(1);
  again.send({ payload: { n: 1 }, envelope: envelope(1) });
  await engram.packets(3);
  engram.receipt(1);
  await eventually("acknowledgement on the new stream", () => again.credits.ack === 1);
});

test("D-056 stop-upstream and stop-downstream gate one direction each, and start reopens both", async () => {
  await using t = await bed({ settings: { flowControl: { mode: "credits" } } });
  await using engram = t.connector.engram();
  const say = async (action: ControlAction, index: number) => {
    engram.say({ action });
    await engram.directive(ControlAction.ACK, index);
  };
  await say(ControlAction.STOP_UPSTREAM, 0);
  engram.send({ payload: { n: 1 } });
  t.stream.send({ payload: { n: 1 } });
  await engram.packets(1);
  await eventually("the engram's packet is dropped", () => {
    return t.connector.node.connector.counters.upstreamDrops.get("gated") === 1;
  });
  await say(ControlAction.START_UPSTREAM, 1);
  await say(ControlAction.STOP_DOWNSTREAM, 2);
  engram.send({ payload: { n: 2 } });
  await eventually("the engram's next packet", () => t.stream.packets.length === 1);
  t.stream.send({ payload: { n: 2 } });
  await eventually("credit of what was gated", () => t.stream.credits.messages === 2);
  assert.is(t.connector.node.connector.counters.downstreamDrops.get("gated"), 1);
  await say(ControlAction.STOP, 3);
  await say(ControlAction.START, 4);
  engram.send({ payload: { n: 3 } });
  t.stream.send({ payload: { n: 3 } });
  const packets = await engram.packets(2);
  assert.equal(packets.map((each) => json(each)["payload"]), [{ n: 1 }, { n: 3 }]);
  await eventually("both of the engram's", () => t.stream.packets.length === 2);
});

test("D-057 the loss of the hub is handoff.draining, its return handoff.cutover; the engram's streams stay", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  const first = await engram.directive(ControlAction.HANDOFF_CUTOVER);
  assert.equal([first.metadata["phase"], first.metadata["reason"]], ["cutover", "hub_connected"]);
  assert.match(first.metadata["ts"] ?? "", /^\d{13}$/);
  t.stream.end({ code: 14, message: "draining" });
  const lost = await engram.directive(ControlAction.HANDOFF_DRAINING);
  assert.equal([lost.metadata["phase"], lost.metadata["reason"]], ["draining", "hub_disconnected"]);
  const back = await engram.directive(ControlAction.HANDOFF_CUTOVER, 1);
  assert.is(back.metadata["reason"], "hub_reconnected");
  assert.equal([engram.dataEnd, engram.controlEnd], [null, null]);
  await using late = t.connector.engram();
  assert.is((await late.directive(ControlAction.HANDOFF_CUTOVER)).metadata["reason"], "hub_reconnected");
});

test("D-058 what the engram sends while the hub is away comes in order after its return", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  await engram.directive(ControlAction.CONNECTOR_READY);
  await t.hub.away();
  await engram.directive(ControlAction.HANDOFF_DRAINING);
  for (let n = 0; n < 150; n++) engram.send({ payload: { n } });
  await eventually("the outbox holds its capacity", () => t.connector.node.connector.buffered.upstream >= 64);
  await t.hub.listen();
  const stream = await t.hub.stream(1);
  await eventually("all packets", () => stream.packets.length === 150, 10_000);
  assert.equal(stream.packets.map(({ payload }) => payload?.["n"]), Array.from({ length: 150 }, (_, n) => n));
});

test("D-059 an SDK's data heartbeat reaches the hub as a heartbeat packet, before and behind data", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  await engram.directive(ControlAction.CONNECTOR_READY);
  engram.send({ metadata: { "bubu-heartbeat": "true" } });
  await eventually("the heartbeat", () => t.stream.packets.length === 1);
  const [heartbeat] = t.stream.packets;
  assert.equal([heartbeat?.metadata, heartbeat?.payload, heartbeat?.frame.case], [
    { "bubu-heartbeat": "true" },
    undefined,
    undefined,
  ]);
  t.stream.send({ metadata: { "bubu-heartbeat": "true" }, payload: {} });
  const passed = await eventually("the hub's heartbeat", () => engram.data[0]);
  assert.equal([passed.metadata["bubu-heartbeat"], passed.frame.case], ["true", undefined]);
});

test("packets that would end the SDK's session are rewritten or dropped", async () => {
  await using t = await bed({ settings: { flowControl: { mode: "credits" } } });
  await using engram = t.connector.engram();
  const own = (value: unknown, metadata: Record<string, string> = {}, sequence = 0) =>
    t.stream.send({
      frame: { case: "binary", value: { payload: utf8.encode(JSON.stringify(value)), mimeType: mime } },
      metadata: { "current-step-id": "b", ...metadata },
      ...(sequence > 0 ? { envelope: envelope(sequence) } : {}),
    });
  own({ kind: "noop", metadata: { a: "b" } }, {}, 1);
  own({ kind: "heartbeat", messageId: "m" });
  own({ kind: "data", payload: 1 }, { "bubu.envelope.kind": "noop" });
  own({ kind: "error", messageId: "e", payload: { type: "execution", message: "boom" } });
  t.stream.send({ metadata: { kind: "error" }, payload: { message: "bang" } });
  own({ kind: "not a kind", payload: 1 });
  t.stream.send({ frame: { case: "binary", value: { payload: utf8.encode("{"), mimeType: mime } } });
  t.stream.send({ frame: { case: "audio", value: { pcm: utf8.encode("x"), codec: "pcm16" } } });
  t.stream.send({ frame: { case: "video", value: { payload: utf8.encode("x") } } });
  own({ kind: "last" });
  await eventually("the last one", () => engram.data.length >= 6);
  const [noop, heartbeat, kind, error, plain, last] = engram.data;
  for (const each of [noop, heartbeat, kind]) assert.is(each?.frame.case, undefined);
  assert.is(noop?.envelope?.sequence, 1n);
  assert.equal(json(error), { version: "v1", kind: "error", messageId: "e" });
  assert.equal(error?.payload, { type: "execution", message: "boom" });
  assert.equal(plain?.payload, { message: "bang" });
  assert.is(json(plain)["payload"], undefined);
  assert.equal(json(last), { kind: "last" });
  assert.is(t.connector.node.connector.counters.downstreamDrops.get("invalid"), 4);
  assert.is(engram.dataEnd, null);
});

test("a slow engram slows the hub down, and gets everything in order", async () => {
  await using t = await bed();
  let reads = false;
  await using engram = t.connector.engram({ reads: () => reads });
  const pcm = new Uint8Array(64 * 1024);
  for (let n = 0; n < 200; n++) {
    t.stream.send({
      frame: { case: "audio", value: { pcm, sampleRateHz: 16000, channels: 1, codec: "pcm16" } },
      metadata: { n: String(n) },
    });
  }
  await eventually("a packet", () => engram.data.length > 0);
  assert.ok(t.connector.node.connector.buffered.downstream <= 80, "the queue is bounded");
  reads = true;
  engram.resume();
  const packets = await engram.packets(200, 15_000);
  assert.equal(packets.map(({ metadata }) => metadata["n"]), Array.from({ length: 200 }, (_, n) => String(n)));
});

test("an engram that crashes gets what it had no receipt for again, before the rest", async () => {
  await using t = await bed({ settings: { flowControl: { mode: "credits" }, delivery: { ordering: "per_stream" } } });
  const first = t.connector.engram();
  for (const n of [1, 2, 3]) t.stream.send({ payload: { n }, envelope: envelope(n) });
  await first.packets(3);
  first.receipt(1);
  await eventually("acknowledgement", () => t.stream.credits.ack === 1);
  await first.crash();
  await using second = t.connector.engram();
  t.stream.send({ payload: { n: 4 }, envelope: envelope(4) });
  const packets = await second.packets(3);
  assert.equal(packets.map((each) => each.envelope?.sequence), [2n, 3n, 4n]);
  for (const n of [2, 3, 4]) second.receipt(n);
  await eventually("all acknowledged", () => t.stream.credits.ack === 4);
});

test("chunks are put together on both ways, and a broken one costs its packet alone", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  await engram.directive(ControlAction.CONNECTOR_READY);
  const body = utf8.encode(JSON.stringify({ kind: "data", payload: { text: "hello" } }));
  const chunk = (chunkIndex: number, more: object = {}) => ({
    frame: {
      case: "binary" as const,
      value: {
        payload: body.subarray(chunkIndex * 20, chunkIndex === 2 ? body.length : chunkIndex * 20 + 20),
        mimeType: mime,
      },
    },
    metadata: { type: "chunked" },
    envelope: { ...envelope(1), chunkId: "c1", chunkIndex, chunkCount: 3, totalBytes: body.length, ...more },
  });
  for (const index of [2, 0, 0, 1]) t.stream.send(chunk(index));
  const [whole] = await engram.packets(1);
  assert.equal(json(whole), { kind: "data", payload: { text: "hello" } });
  assert.equal([whole?.envelope?.sequence, whole?.envelope?.chunkCount], [1n, 0]);
  engram.send(chunk(0, { chunkId: "bad", chunkBytes: 3 }));
  for (const index of [1, 2, 0]) engram.send(chunk(index));
  await eventually("the packet at the hub", () => t.stream.packets.length === 1);
  const [packet] = t.stream.packets;
  assert.equal(packet?.frame.case === "binary" && packet.frame.value.payload.length, body.length);
});

test("what the hub would end the stream for is dropped alone", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  await engram.directive(ControlAction.CONNECTOR_READY);
  engram.send({ frame: { case: "audio", value: { pcm: new Uint8Array(2) } } });
  engram.sendBytes(Uint8Array.of(0x0a, 0xff));
  engram.sendBytes(toBinary(DataRequestSchema, create(DataRequestSchema, { payload: { n: 1 } })));
  await eventually("the good one", () => t.stream.packets.length === 1);
  assert.is(t.connector.node.connector.counters.upstreamDrops.get("invalid"), 2);
  assert.equal([engram.dataEnd, t.stream.isClosed], [null, false]);
});

test("PAUSE holds the engram and loses nothing, RESUME lets it go on", async () => {
  await using t = await bed();
  await using engram = t.connector.engram();
  await engram.directive(ControlAction.CONNECTOR_READY);
  t.stream.flow({ signal: 1 });
  engram.send({ payload: { n: 0 } });
  t.stream.send({ payload: {} });
  await engram.packets(1);
  for (let n = 1; n < 20; n++) engram.send({ payload: { n } });
  t.stream.flow({ signal: 2 });
  await eventually("all packets", () => t.stream.packets.length === 20);
});

test("headers to the hub are those of data-plane 2.2", async () => {
  await using t = await bed({ generation: 7 });
  const names = [
    "bubu-transport-protocol",
    "storyrun-name",
    "storyrun-namespace",
    "current-step-id",
    "connector-generation",
    "startup.capabilities",
  ];
  assert.equal(names.map((name) => t.stream.header(name)), ["1.0.0", "run", "demo", "b", "7", "none"]);
});

test("a hub that accepts without a word gets what waits all the same", async () => {
  const hub = await ScriptHub.start();
  hub.sendsHeaders = false;
  await using connector = await connectorBed({ hub: hub.address });
  await using engram = connector.engram();
  engram.send({ payload: { n: 1 } });
  const stream = await hub.stream();
  await eventually("the packet", () => stream.packets.length === 1);
  await hub.away();
});

test("HubPush is not implemented, as data-plane 1.1 says", async () => {
  await using t = await bed();
  const { GrpcChannel } = await import("../../src/adapters/grpc/channel.ts");
  const { systemClock } = await import("../../src/adapters/clock.ts");
  const channel = new GrpcChannel({ address: t.connector.node.address, tls: null, clock: systemClock });
  try {
    await channel.unary("/transport.v1.TransportConnectorService/HubPush", new Uint8Array());
    assert.unreachable();
  } catch (error) {
    assert.is((error as { cause: { code: number } }).cause.code, 12);
  } finally {
    await channel.close();
  }
});

test.run();
