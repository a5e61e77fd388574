/** The engram library against a connector that a test plays. */
import process from "node:process";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ControlAction } from "../gen/transport/v1/transport_pb.ts";
import { systemClock } from "../src/adapters/clock.ts";
import { grpcCodes } from "../src/adapters/grpc/codes.ts";
import { isTransportError, type TransportError } from "../src/contract/errors.ts";
import { envelopeMimeType } from "../src/contract/names.ts";
import { writeEnvelopeFrame } from "../src/contract/packet-envelope.ts";
import { silentLog } from "../src/contract/runtime.ts";
import { type Engram, type Packet, serveEngram } from "../src/engram/mod.ts";
import { within } from "./support/deadline.ts";
import { ScriptedConnector } from "./support/scripted-connector.ts";

const it = suite<{ connector: ScriptedConnector; stop: AbortController }>("engram library");

it.before.each(async (context) => {
  context.connector = await ScriptedConnector.listen();
  context.stop = new AbortController();
});
it.after.each(async ({ connector, stop }) => {
  stop.abort();
  await connector.close();
});

const fast = {
  BUBU_GRPC_RECONNECT_BASE_BACKOFF: "10ms",
  BUBU_GRPC_RECONNECT_MAX_RETRIES: "3",
  BUBU_GRPC_DIAL_TIMEOUT: "1s",
};

/** Runs an engram beside the connector; settles with its error, or null after a good end. */
function run(
  { connector, stop }: { connector: ScriptedConnector; stop: AbortController },
  engram: Engram,
  env: Readonly<Record<string, string>> = {},
): Promise<TransportError | null> {
  const serving = serveEngram(engram, {
    env: connector.env({ ...fast, ...env }),
    clock: systemClock,
    log: silentLog,
    signal: stop.signal,
    random: () => 0.5,
  });
  return serving.then(() => null, (error: unknown) => {
    if (isTransportError(error)) return error;
    throw error;
  });
}

const echo: Engram = {
  async *stream(packets) {
    for await (const packet of packets) yield packet;
  },
};

function said(payload: string, sequence = 0n) {
  return {
    frame: { case: "binary" as const, value: writeEnvelopeFrame({ kind: "data", messageId: payload, payload }) },
    ...sequence === 0n ? {} : { envelope: { streamId: "demo/run/echo", sequence } },
  };
}

it("Data is opened before Control, with protocol and binding; connector.ready is acknowledged", async (context) => {
  const { connector } = context;
  void run(context, echo);
  const ack = await connector.until("an ack", () => connector.control[0]?.heard[0]);
  assert.equal(connector.opened, ["Data", "Control"]);
  assert.equal(connector.data[0]!.metadata, { "bubu-transport-protocol": "1.0.0" });
  assert.equal(connector.control[0]!.metadata, {
    "bubu-transport-protocol": "1.0.0",
    "bubu.transport.binding": "default/run-1-echo-binding",
  });
  assert.is(ack.action, ControlAction.ACK);
  assert.equal(ack.metadata, { type: "connector.ready", handled: "true", reason: "startup" });
});

it("the engram is not started before the handshake; what came before waits for it", async (context) => {
  const { connector } = context;
  connector.greets = false;
  void run(context, echo);
  await connector.until("both streams", () => connector.opened.length === 2);
  connector.sendData(said("1"));
  connector.sendControl({
    action: ControlAction.CONNECTOR_READY,
    metadata: { "startup.capabilities": "required" },
  });
  await connector.until("the first ack", () => connector.control[0]!.heard.length === 1);
  assert.is(connector.data[0]!.heard.length, 0);
  connector.sendControl({ action: ControlAction.CONNECTOR_CAPABILITIES, metadata: { "audio.codec": "pcm16" } });
  await connector.until("the packet", () => connector.data[0]!.heard.length === 1);
});

it("no handshake within the message timeout is final", async (context) => {
  const { connector } = context;
  connector.greets = false;
  const error = await within(5_000, "the end", run(context, echo, { BUBU_GRPC_MESSAGE_TIMEOUT: "50ms" }));
  assert.is(error?.reason, "DeadlineExceeded");
  assert.is(error?.message, "no connector.ready from the connector within 50 ms");
  assert.is(connector.control.length, 1);
});

it("an unknown startup mode ends the session, and another one follows", async (context) => {
  const { connector } = context;
  connector.greets = false;
  void run(context, echo);
  await connector.until("both streams", () => connector.opened.length === 2);
  connector.sendControl({ action: ControlAction.CONNECTOR_READY, metadata: { "startup.capabilities": "maybe" } });
  await connector.until("a second session", () => connector.opened.length === 4);
  assert.is(connector.control[0]!.heard.length, 0);
});

it("a refusal that another attempt cannot mend is final, another one is tried again up to the limit", async (context) => {
  const { connector } = context;
  connector.greets = false;
  const running = run(context, echo);
  for (let session = 1; session <= 4; session++) {
    await connector.until("a session", () => connector.opened.length === 2 * session);
    connector.data.at(-1)!.end({ code: grpcCodes.ResourceExhausted, message: "busy" });
  }
  assert.match((await within(5_000, "the end", running))?.message ?? "", /Data stream: busy/);
  const refused = run(context, echo);
  await connector.until("a session", () => connector.opened.length === 10);
  connector.control.at(-1)!.end({ code: grpcCodes.FailedPrecondition, message: "wrong version" });
  assert.match((await within(5_000, "the end", refused))?.message ?? "", /Control stream: wrong version/);
  assert.is(connector.opened.length, 10);
});

it("a sequenced packet gets its receipt when the next one is asked for, and again when it is replayed", async (context) => {
  const { connector } = context;
  const seen: string[] = [];
  let release: () => void = () => {};
  void run(context, {
    async onPacket(packet) {
      seen.push(packet.id);
      await new Promise<void>((resolve) => release = resolve);
    },
  });
  await connector.until("the handshake", () => connector.control[0]?.heard[0]);
  const receipts = () => connector.control[0]!.heard.slice(1).map(({ metadata }) => metadata["sequence"]);
  connector.sendData(said("1", 1n));
  connector.sendData(said("1", 1n));
  connector.sendData({ envelope: { streamId: "demo/run/echo", sequence: 2n } });
  await connector.until("the receipt of the keep-alive", () => receipts().includes("2"));
  assert.equal(receipts(), ["2"]);
  release();
  await connector.until("the receipt", () => receipts().includes("1"));
  connector.sendData(said("1", 1n));
  await connector.until("the receipt of the replay", () => receipts().length === 3);
  assert.equal(seen, ["1"]);
  const { customAction, metadata } = connector.control[0]!.heard.at(-1)!;
  assert.is(customAction, "downstream.delivered");
  assert.equal(Object.keys(metadata).sort(), ["partition", "sequence", "size_bytes", "stream_id"]);
});

it("a slow engram stops the reading of its stream, and loses nothing", async (context) => {
  const { connector } = context;
  const seen: string[] = [];
  let go: () => void = () => {};
  const gate = new Promise<void>((resolve) => go = resolve);
  void run(context, {
    async onPacket(packet) {
      await gate;
      seen.push(packet.id);
      if (seen.length === 200) connector.signal.notify();
    },
  }, { BUBU_GRPC_CHANNEL_BUFFER_SIZE: "4" });
  await connector.until("the handshake", () => connector.control[0]?.heard[0]);
  for (let i = 0; i < 200; i++) connector.sendData(said(String(i)));
  go();
  await connector.until("all packets", () => seen.length === 200);
  assert.equal(seen, Array.from({ length: 200 }, (_, i) => String(i)));
});

it("the loop goes on over a lost session, and what it yields meanwhile is sent by the next", async (context) => {
  const { connector } = context;
  let starts = 0;
  void run(context, {
    async *stream(packets) {
      starts++;
      for await (const packet of packets) yield packet;
    },
  });
  await connector.until("the handshake", () => connector.control[0]?.heard[0]);
  connector.sendData(said("1"));
  await connector.until("an answer", () => connector.data[0]!.heard.length === 1);
  connector.data[0]!.end(null);
  await connector.until("a second session", () => connector.control[1]?.heard[0]);
  connector.sendData(said("2"));
  await connector.until("an answer", () => connector.data[1]!.heard.length === 1);
  assert.is(starts, 1);
});

it("a loop that ends leaves both streams half-closed behind what it sent", async (context) => {
  const { connector } = context;
  const running = run(context, {
    async *stream() {
      for (let i = 0; i < 1000; i++) yield { payload: { i } };
    },
  });
  assert.is(await within(5_000, "the end", running), null);
  assert.is(connector.data[0]!.heard.length, 1000);
  assert.ok(connector.data[0]!.isHalfClosed && connector.control[0]!.isHalfClosed);
});

it("a stop ends the packets, lets the loop finish, and is told from a good end", async (context) => {
  const { connector, stop } = context;
  const running = run(context, {
    async *stream(packets) {
      for await (const packet of packets) yield packet;
      yield { payload: "last words" };
    },
  });
  await connector.until("the handshake", () => connector.control[0]?.heard[0]);
  stop.abort();
  assert.is((await within(5_000, "the end", running))?.reason, "Aborted");
  assert.is(connector.data[0]!.heard.length, 1);
});

it("what the engram throws ends it", async (context) => {
  const running = serveEngram({
    // deno-lint-ignore require-yield -- it fails before
    async *stream() {
      throw new Error("no microphone");
    },
  }, {
    env: context.connector.env(),
    clock: systemClock,
    log: silentLog,
    signal: context.stop.signal,
    random: () => 0.5,
  });
  await within(
    5_000,
    "the end",
    running.then(() => assert.unreachable(), (error: Error) => {
      assert.is(error.message, "no microphone");
    }),
  );
});

it("a packet that no receiver would take is refused where it is sent", async (context) => {
  const errors: string[] = [];
  const running = run(context, {
    async *stream(_packets, { send }) {
      const audio = { pcm: new Uint8Array(2), sampleRateHz: 0, channels: 1 };
      for (
        const packet of [{}, { audio }, { kind: "error" }, { kind: "a b", payload: 1 }, { metadata: { "": "x" } }]
      ) await send(packet).catch((error: Error) => errors.push(error.message));
      yield { payload: "fine" };
    },
  });
  assert.is(await within(5_000, "the end", running), null);
  assert.is(errors.length, 5, errors.join("\n"));
  assert.match(errors[1] ?? "", /audio needs pcm, sampleRateHz and channels/);
});

it("heartbeats go on both streams while nothing else does", async (context) => {
  const { connector } = context;
  const intervals = { BUBU_GRPC_HEARTBEAT_INTERVAL: "30ms", BUBU_TRANSPORT_HEARTBEAT_INTERVAL: "40ms" };
  void run(context, echo, intervals);
  const data = await connector.until("a data heartbeat", () => connector.data[0]?.heard[0]);
  assert.equal([data.metadata, data.frame.case], [{ "bubu-heartbeat": "true" }, undefined]);
  const control = await connector.until("a control heartbeat", () => connector.control[0]?.heard[1]);
  assert.is(control.action, ControlAction.HEARTBEAT);
  assert.match(control.metadata["ts"] ?? "", /^\d+$/);
});

it("what is no packet for an engram is not handed to it, what is has the fields of the rules", async (context) => {
  const { connector } = context;
  const seen: Packet[] = [];
  void run(context, {
    onPacket(packet) {
      seen.push(packet);
      connector.signal.notify();
    },
  });
  await connector.until("the handshake", () => connector.control[0]?.heard[0]);
  const envelope = (text: string) => ({
    frame: {
      case: "binary" as const,
      value: { payload: new TextEncoder().encode(text), mimeType: `${envelopeMimeType.toUpperCase()}; v=1` },
    },
  });
  connector.sendData({ metadata: { x: "1" }, payload: { text: "no frame" } });
  connector.sendData({ ...envelope(`{"kind":"noop","payload":1}`) });
  connector.sendData({ ...envelope(`{"version":"v1"}`) });
  connector.sendData({ ...envelope(`{"payload":1}`), metadata: { "bubu-heartbeat": "true" } });
  // the metadata of the message replaces that of the envelope, its mirror keys stand above it and are taken away
  connector.sendData({
    ...envelope(`{"kind":"data","messageId":"a","metadata":{"gone":"1"},"payload":[1],"timestampMs":5}`),
    metadata: { kept: "1", "bubu.envelope.message_id": "b" },
    payload: { not: "this" },
    inputs: { lang: "en" },
  });
  connector.sendData({
    ...envelope(`{"kind":"error","payload":{"version":"v1"}}`),
    envelope: { streamId: "s", sequence: 7n, partition: "p" },
  });
  await connector.until("two packets", () => seen.length === 2);
  assert.equal(seen, [
    {
      kind: "data",
      id: "b",
      timestampMs: 5,
      metadata: { kept: "1" },
      payload: [1],
      inputs: { lang: "en" },
      position: null,
    },
    {
      kind: "error",
      id: "",
      timestampMs: 0,
      metadata: {},
      payload: { version: "v1" },
      position: { streamId: "s", sequence: 7n, partition: "p" },
    },
  ]);
});

it("a message that breaks the wire's limits ends the session, and another one follows", async (context) => {
  const { connector } = context;
  void run(context, echo);
  await connector.until("the handshake", () => connector.control[0]?.heard[0]);
  connector.sendData({ frame: { case: "audio", value: { pcm: new Uint8Array(2), sampleRateHz: 1, channels: 1 } } });
  await connector.until("a second session", () => connector.opened.length === 4);
});

it("an environment that does not fit is named", async ({ connector, stop }) => {
  const options = { clock: systemClock, log: silentLog, signal: stop.signal, random: () => 0.5 };
  const faultOf = (env: Record<string, string>) =>
    serveEngram(echo, { ...options, env }).then(() => "", (error: Error) => error.message);
  assert.is(await faultOf({}), "BUBU_TRANSPORT_BINDING must be set");
  const elsewhere = connector.env()["BUBU_TRANSPORT_BINDING"]!.replace("127.0.0.1", "10.0.0.1");
  assert.match(await faultOf({ BUBU_TRANSPORT_BINDING: elsewhere }), /is not on this machine's loopback/);
  assert.is(await faultOf(connector.env({ BUBU_STEP_CONFIG: "[]" })), "BUBU_STEP_CONFIG is not a JSON object");
});

it("the step's config, the binding and the overrides of its settings are there", async (context) => {
  const { connector } = context;
  const binding = JSON.parse(connector.env()["BUBU_TRANSPORT_BINDING"]!);
  binding.binding.payload = btoa(`{"env":{"BUBU_X":"1","OTHER":"2"}}`);
  const running = run(context, {
    async *stream(_packets, { config, env, binding }) {
      yield { payload: { config, x: env["BUBU_X"] ?? "", other: env["OTHER"] ?? "", name: binding.name } };
    },
  }, { BUBU_STEP_CONFIG: `{"gain":2}`, BUBU_TRANSPORT_BINDING: JSON.stringify(binding) });
  await within(5_000, "the end", running);
  assert.equal(connector.data[0]!.heard[0]!.payload, {
    config: { gain: 2 },
    x: "1",
    other: "",
    name: "run-1-echo-binding",
  });
});

it("a program ends with 0 after its loop, with 1 and a line after a failure, with 1 at SIGTERM", async ({ connector }) => {
  const file = fileURLToPath(new URL("./fixtures/engrams/program.ts", import.meta.url));
  const args = "Deno" in globalThis ? ["run", "--no-check", "-A", file] : [file];
  const start = (mode: string) => {
    const child = spawn(process.execPath, args, {
      env: { PATH: process.env["PATH"] ?? "", ...connector.env({ ...fast, MODE: mode }) },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let text = "";
    child.stderr.on("data", (bytes: Uint8Array) => text += new TextDecoder().decode(bytes));
    const ended = new Promise<string>((resolve) => child.on("close", (code) => resolve(`${code} ${text.trim()}`)));
    return { child, ended: within(15_000, mode, ended) };
  };
  assert.is(await start("return").ended, "0 ");
  assert.match(await start("throw").ended, /^1 Error: no microphone/);
  const before = connector.control.length;
  const { child, ended } = start("wait");
  await connector.until("the handshake", () => connector.control[before]?.heard[0], 15_000);
  // not child.kill: on Deno that alone decides what is told of the end
  process.kill(child.pid!, "SIGTERM");
  assert.is(await ended, "1 ");
});

it.run();
