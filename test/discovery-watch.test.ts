// Watching bindings, as a client sees it: snapshot, changes, removals, acknowledgements.

import * as http2 from "node:http2";
import * as assert from "uvu/assert";
import { suite } from "uvu";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { DiscoveryService } from "../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { reasonOf } from "../src/adapters/rpc/status.ts";
import { within } from "./support/deadline.ts";
import { discoveryBed, step, TestWatch } from "./support/discovery-bed.ts";
import { next } from "./support/serve-rpc.ts";

const test = suite("discovery watches");
const vadKey = "demo/voice-7-vad-transport";

// The Connect adapter and our own framing serve the same watches.
for (const isFast of [false, true]) {
  const path = isFast ? "fast path" : "adapter";

  test(`${path}: a watch gets a snapshot, then what changes, then what is removed`, async () => {
    await using bed = await discoveryBed({ isFast });
    bed.put("voice-7", { vad: "1", writer: "1" });
    bed.put("voice-8", { vad: "1" });
    using watch = new TestWatch(bed.client);
    watch.subscribe([{ namespace: "demo", storyRun: "voice-7" }]);
    const first = await watch.take();
    assert.is(first.snapshot, true);
    assert.equal(first.bindings.map(({ step }) => step), ["vad", "writer"]);
    const { binding } = await within(5_000, "answer", bed.client.getBinding(step("vad")));
    assert.equal(first.bindings[0], binding);
    bed.put("voice-8", { vad: "2" });
    bed.put("voice-7", { vad: "2", writer: "1" });
    const second = await watch.take();
    assert.is(second.snapshot, false);
    assert.equal(second.bindings.map(({ step, reason }) => [step, reason]), [["vad", "2"]]);
    bed.decisions.remove("demo", "voice-7");
    const third = await watch.take();
    assert.equal(third.bindings, []);
    assert.equal([...third.removed].sort(), [vadKey, "demo/voice-7-writer-transport"]);
  });

  test(`${path}: while a response is unacknowledged changes coalesce, and the newest version follows`, async () => {
    await using bed = await discoveryBed({ isFast });
    bed.put("voice-7", { vad: "1" });
    using watch = new TestWatch(bed.client);
    watch.subscribe([step("vad")]);
    const first = await watch.next();
    for (const reason of ["2", "3", "4"]) {
      bed.put("voice-7", { vad: reason });
      // A call on the same connection: the server has had the time to send, if it were to.
      await within(5_000, "answer", bed.client.getBinding(step("vad")));
    }
    watch.ack("unknown");
    watch.ack(first.nonce);
    const second = await watch.take();
    assert.equal(second.bindings.map(({ reason }) => reason), ["4"]);
  });

  test(`${path}: ListBindings shows the version that was acknowledged, and the one that was rejected`, async () => {
    await using bed = await discoveryBed({ isFast });
    bed.put("voice-7", { vad: "1" });
    using watch = new TestWatch(bed.client);
    watch.subscribe([step("vad")]);
    const first = await watch.take();
    bed.put("voice-7", { vad: "2" });
    const second = await watch.next();
    watch.nack(second.nonce, vadKey);
    bed.put("voice-7", { vad: "2", writer: "1" });
    bed.put("voice-7", { vad: "3", writer: "1" });
    const third = await watch.next("the version after the rejected one");
    assert.equal(third.bindings.map(({ step, reason }) => [step, reason]), [["vad", "3"]]);
    const { bindings: [status] } = await within(5_000, "page", bed.client.listBindings({ selector: step("vad") }));
    assert.is(status?.ackedVersion, first.bindings[0]?.version);
    assert.is(status?.rejection?.version, second.bindings[0]?.version);
    assert.is(status?.rejection?.reason, "DriverUnknown");
  });

  test(`${path}: a client that comes back with nothing changed gets no binding, and what was removed meanwhile by name`, async () => {
    await using bed = await discoveryBed({ isFast });
    bed.put("voice-7", { vad: "1", writer: "1" });
    const held: Record<string, string> = {};
    {
      using watch = new TestWatch(bed.client);
      watch.subscribe([{ namespace: "demo" }]);
      for (const { namespace, name, version } of (await watch.take()).bindings) held[`${namespace}/${name}`] = version;
    }
    {
      using watch = new TestWatch(bed.client);
      watch.subscribe([{ namespace: "demo" }], held);
      const { snapshot, bindings, removed } = await watch.take();
      assert.equal({ snapshot, bindings, removed }, { snapshot: true, bindings: [], removed: [] });
    }
    bed.put("voice-7", { writer: "1" });
    using watch = new TestWatch(bed.client);
    watch.subscribe([{ namespace: "demo" }], held);
    const { bindings, removed } = await watch.take();
    assert.equal({ bindings, removed }, { bindings: [], removed: [vadKey] });
  });

  test(`${path}: a later Subscribe replaces the first`, async () => {
    await using bed = await discoveryBed({ isFast });
    bed.put("voice-7", { vad: "1", writer: "1" });
    using watch = new TestWatch(bed.client);
    watch.subscribe([step("vad")]);
    const first = await watch.take();
    watch.subscribe([step("writer")], { [vadKey]: first.bindings[0]!.version });
    const second = await watch.take();
    assert.is(second.snapshot, true);
    assert.equal(second.bindings.map(({ step }) => step), ["writer"]);
    assert.equal(second.removed, [vadKey]);
    bed.put("voice-7", { vad: "2", writer: "2" });
    assert.equal((await watch.take()).bindings.map(({ step }) => step), ["writer"]);
  });

  test(`${path}: nothing is told before the objects are listed`, async () => {
    await using bed = await discoveryBed({ isSynced: false, isFast });
    using watch = new TestWatch(bed.client);
    watch.subscribe([step("vad")], { [vadKey]: "x" });
    const answer = watch.next("snapshot");
    bed.put("voice-7", { vad: "1" });
    bed.decisions.sync();
    assert.equal((await answer).bindings.map(({ step }) => step), ["vad"]);
  });

  test(`${path}: a client that only half-closes gets its snapshot and the end`, async () => {
    await using bed = await discoveryBed({ isFast });
    bed.put("voice-7", { vad: "1" });
    using watch = new TestWatch(bed.client);
    watch.subscribe([]);
    watch.end();
    assert.is((await watch.next()).bindings.length, 1);
    assert.is((await within(5_000, "end", watch.raw())).done, true);
  });

  test(`${path}: requests that break the protocol end the watch and say why`, async () => {
    await using bed = await discoveryBed({ isFast });
    bed.put("voice-7", { vad: "1" });
    const refusedBecause = async (begin: (watch: TestWatch) => void | Promise<void>, message: RegExp) => {
      using watch = new TestWatch(bed.client);
      await begin(watch);
      try {
        await within(5_000, "refusal", watch.raw());
        assert.unreachable();
      } catch (error) {
        assert.is(ConnectError.from(error).code, Code.InvalidArgument);
        assert.is(reasonOf(error), "InvalidRequest");
        assert.match(ConnectError.from(error).rawMessage, message);
      }
    };
    await refusedBecause((watch) => watch.ack("1"), /first message/);
    await refusedBecause((watch) => watch.request({}), /none of|first message/);
    await refusedBecause(
      (watch) => watch.subscribe(Array.from({ length: 101 }, () => step("vad"))),
      /101 of at most 100/,
    );
    await refusedBecause(async (watch) => {
      watch.subscribe([step("vad")]);
      watch.nack((await watch.next()).nonce, "demo/nobody");
    }, /demo\/nobody/);
  });

  test(`${path}: a watch ends with Unavailable when the server stops`, async () => {
    await using bed = await discoveryBed({ isFast });
    using watch = new TestWatch(bed.client);
    watch.subscribe([]);
    await watch.take();
    bed.stop();
    try {
      await within(5_000, "end", watch.raw());
      assert.unreachable();
    } catch (error) {
      assert.is(ConnectError.from(error).code, Code.Unavailable);
    }
  });

  test(`${path}: garbage, an unfinished message and a message over the limit end the watch, and it alone`, async () => {
    await using bed = await discoveryBed({ isFast });
    bed.put("voice-7", { vad: "1" });
    using watch = new TestWatch(bed.client);
    watch.subscribe([step("vad")]);
    await watch.take();
    const send = async (...bytes: number[]) => {
      const session = http2.connect(bed.server.url);
      const stream = session.request({
        ":method": "POST",
        ":path": "/bobravoz.discovery.v1.DiscoveryService/WatchBindings",
        "content-type": "application/grpc",
        "te": "trailers",
      });
      const status = new Promise<string>((resolve) => {
        // Either in the trailers or, where nothing else was answered, in the headers.
        const look = (headers: http2.IncomingHttpHeaders) => {
          if (headers["grpc-status"] !== undefined) resolve(String(headers["grpc-status"]));
        };
        stream.on("response", look);
        stream.on("trailers", look);
      });
      stream.resume();
      stream.end(Uint8Array.from(bytes));
      const ended = await within(5_000, "status", status);
      session.close();
      return ended;
    };
    assert.is.not(await send(0, 0, 0, 0, 2, 0xff, 0xff), "0");
    assert.is.not(await send(0, 0, 0, 0, 9, 1), "0");
    if (isFast) assert.is(await send(0, 0x7f, 0, 0, 0, 1), "8");
    bed.put("voice-7", { vad: "2" });
    assert.is((await watch.take()).bindings.length, 1);
  });

  test(`${path}: a deadline ends the watch`, async () => {
    await using bed = await discoveryBed({ isFast });
    const responses = bed.client.watchBindings(
      (async function* () {
        yield { message: { case: "subscribe" as const, value: {} } };
        await new Promise(() => {});
      })(),
      { timeoutMs: 200 },
    )[Symbol.asyncIterator]();
    await next("snapshot", responses);
    try {
      await within(5_000, "end", responses.next());
      assert.unreachable();
    } catch (error) {
      assert.is(ConnectError.from(error).code, Code.DeadlineExceeded);
    }
  });
}

test("FollowBindings sends the same without acknowledgements, over each protocol", async () => {
  await using bed = await discoveryBed();
  const { url: baseUrl } = bed.server;
  const transports = [
    createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
    createConnectTransport({ baseUrl, httpVersion: "2" }),
    createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
  ];
  for (const transport of transports) {
    bed.put("voice-7", { vad: "1" });
    const stop = new AbortController();
    const client = createClient(DiscoveryService, transport);
    const follow = client.followBindings({ selectors: [step("vad")] }, { signal: stop.signal })[Symbol.asyncIterator]();
    const first = await next("snapshot", follow);
    assert.equal([first.snapshot, first.bindings.map(({ reason }) => reason)], [true, ["1"]]);
    bed.put("voice-7", { vad: "2" });
    const second = await next("change", follow);
    assert.equal([second.snapshot, second.bindings.map(({ reason }) => reason)], [false, ["2"]]);
    bed.decisions.remove("demo", "voice-7");
    assert.equal((await next("removal", follow)).removed, [vadKey]);
    stop.abort();
  }
});

test.run();
