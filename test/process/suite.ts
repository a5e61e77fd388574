/** Conversations of HubService.Process that every client has alike: what data-plane sections 2 to 4 promise to a peer. */
import { Buffer } from "node:buffer";
import { create } from "@bufbuild/protobuf";
import * as assert from "uvu/assert";
import { suite } from "uvu";
import { ProcessRequestSchema } from "../../gen/transport/v1/hub_pb.ts";
import { requestHeaders } from "../../src/contract/names.ts";
import type { RunPlan } from "../../src/routing/plan.ts";
import { within } from "../support/deadline.ts";
import { eventually } from "../support/eventually.ts";
import { delivery, plan } from "../support/fake-plans.ts";
import { type HubSettings, serveHub, type TestHub } from "../support/serve-hub.ts";
import { type Authority, createAuthority } from "../support/tls.ts";
import {
  type Call,
  type ClientKind,
  ended,
  identity,
  ids,
  large,
  next,
  packet,
  type ProcessClient,
  type RequestInit,
} from "./client.ts";

/** Codes of gRPC as numbers. */
const code = {
  ok: 0,
  invalidArgument: 3,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
};

interface Bed extends AsyncDisposable {
  readonly hub: TestHub;
  readonly client: ProcessClient;
  /** Calls as a step of `demo/run`; settles when the hub has taken its stream. */
  open(step: string, generation?: number): Promise<Call>;
}

/** Runs the suite with `kind` over cleartext and over TLS, or over what `security` says. */
export function processSuite(kind: ClientKind, security: readonly boolean[] = [false, true]): void {
  for (const isSecure of security) conversations(kind, isSecure ? createAuthority("suite") : null);
}

function conversations(kind: ClientKind, authority: Authority | null): void {
  const test = suite(`Process with ${kind.name}, ${authority === null ? "cleartext" : "TLS"}`);

  async function bed(plan: RunPlan | null, settings: HubSettings = {}): Promise<Bed> {
    const hub = await serveHub(plan, { ...settings, tls: authority?.issue("hub") ?? null });
    const client = kind.connect(hub.address, authority?.issue("client") ?? null);
    return {
      hub,
      client,
      async open(step, generation = 1) {
        const before = opened(hub);
        const call = client.call(identity(step, generation));
        await eventually(`a stream of ${step}`, () => opened(hub) > before);
        return call;
      },
      async [Symbol.asyncDispose]() {
        client.close();
        // Deno 2.9 as a client crashes in its HTTP/2 library where GOAWAY meets a stream that it is just closing
        await eventually("the end of every stream", () => hub.hub.facts().activeStreams === 0);
        await hub[Symbol.asyncDispose]();
      },
    };
  }

  test("packets travel both ways between two steps", async () => {
    await using b = await bed(plan(["ask>answer", "answer>ask"], delivery(100)));
    const [ask, answer] = [await b.open("ask"), await b.open("answer")];
    for (const id of ["1", "2", "3"]) {
      ask.send({ packet: { metadata: { id }, payload: { text: "hi" }, inputs: { voice: "alto" } } });
      const asked = await next(answer);
      assert.equal(asked.packet?.payload, { text: "hi" });
      assert.equal(asked.packet?.inputs, { voice: "alto" });
      assert.is(asked.packet?.metadata[requestHeaders.step], "answer");
      answer.send(packet(`re ${id}`));
      assert.equal(await ids(ask, 1), [`re ${id}`]);
    }
  });

  test("one packet reaches every step that follows", async () => {
    await using b = await bed(plan(["a>b", "a>c", "a>d"], delivery(100)));
    const a = await b.open("a");
    const followers = [await b.open("b"), await b.open("c"), await b.open("d")];
    for (const id of ["1", "2"]) a.send(packet(id));
    for (const call of followers) assert.equal(await ids(call, 2), ["1", "2"]);
  });

  const refusals: readonly (readonly [string, Record<string, string | undefined>, number, string, string])[] = [
    [
      "D-010: no protocol version, whatever else is missing",
      { [requestHeaders.protocol]: undefined, [requestHeaders.step]: undefined },
      code.failedPrecondition,
      "missing transport protocol version",
      "ProtocolVersion",
    ],
    ...["1.0", "1.0.1"].map((version) =>
      [
        `D-011: protocol version ${version}`,
        { [requestHeaders.protocol]: version },
        code.failedPrecondition,
        `unsupported transport protocol version "${version}" (expected 1.0.0)`,
        "ProtocolVersion",
      ] as const
    ),
    [
      "D-010: no step",
      { [requestHeaders.step]: undefined, [requestHeaders.generation]: undefined },
      code.invalidArgument,
      "missing current-step-id metadata",
      "InvalidMetadata",
    ],
    [
      "D-010: no identity at all, in one message",
      {
        [requestHeaders.step]: undefined,
        [requestHeaders.namespace]: " ",
        [requestHeaders.storyRun]: undefined,
      },
      code.invalidArgument,
      "missing storyrun-name metadata; missing storyrun-namespace metadata; missing current-step-id metadata",
      "InvalidMetadata",
    ],
    [
      "D-010: no generation",
      { [requestHeaders.generation]: undefined },
      code.failedPrecondition,
      "missing connector-generation metadata",
      "InvalidGeneration",
    ],
    ...["0", "-1", "x", "2147483648"].map((generation) =>
      [
        `D-012: generation ${generation}`,
        { [requestHeaders.generation]: generation },
        code.failedPrecondition,
        `invalid connector-generation metadata "${generation}"`,
        "InvalidGeneration",
      ] as const
    ),
  ];
  test("D-010, D-011, D-012: each missing or wrong header has its code and message", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)));
    for (const [name, changes, expected, message, reason] of refusals) {
      const status = await ended(b.client.call(identity("a", 1, changes)));
      assert.equal(status, { code: expected, message, reason }, name);
    }
    assert.is(b.hub.hub.facts().activeStreams, 0);
  });

  test("D-013: a missing or invalid startup.capabilities fails nothing and is counted", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)));
    const to = await b.open("b");
    for (const value of [undefined, "sometimes", "Required"]) {
      const call = b.client.call(identity("a", 1, { [requestHeaders.capabilities]: value }));
      call.send(packet(String(value)));
      assert.equal(await ids(to, 1), [String(value)]);
    }
    assert.equal(b.hub.hub.facts().capabilities, { missing: 1, invalid: 1, required: 1, none: 1 });
  });

  test("D-014: at the cap a new step is refused, one that is known reconnects", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)), { config: { maxStreams: 1 } });
    await b.open("a");
    assert.equal(await ended(b.client.call(identity("b"))), {
      code: code.resourceExhausted,
      message: "hub max active streams reached",
      reason: "TooManyStreams",
    });
    await b.open("a", 2);
  });

  test("a stale generation is refused before its first packet", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)));
    await b.open("a", 7);
    const stale = b.client.call(identity("a", 6));
    stale.send(packet("stale"));
    assert.equal(await ended(stale), {
      code: code.failedPrecondition,
      message: 'connector-generation 6 of step "a" of demo/run is stale: generation 7 has connected',
      reason: "StaleGeneration",
    });
    assert.is(b.hub.edge("a>b").received, 0);
  });

  test("D-015: a higher generation takes over at once, and the old stream learns by which", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)));
    const [a, old] = [await b.open("a"), await b.open("b", 1)];
    a.send(packet("1"));
    assert.equal(await ids(old, 1), ["1"]);
    const taker = await b.open("b", 2);
    assert.equal(await ended(old), {
      code: code.aborted,
      message: "superseded by a stream of connector-generation 2",
      reason: "Superseded",
    });
    a.send(packet("2"));
    assert.equal(await ids(taker, 1), ["2"]);
  });

  test("D-016: a reconnect of the same generation takes over", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)));
    const [a, old] = [await b.open("a"), await b.open("b", 3)];
    const again = b.client.call(identity("b", 3));
    assert.is((await ended(old)).message, "superseded by a stream of connector-generation 3");
    a.send(packet("1"));
    assert.equal(await ids(again, 1), ["1"]);
  });

  test("D-017: every stream gets heartbeats at the interval, without an envelope", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)), { config: { heartbeatMs: 30 } });
    for (const call of [await b.open("a"), await b.open("b")]) {
      for (let beat = 0; beat < 2; beat++) {
        const { packet } = await next(call);
        assert.equal(packet?.metadata, { "bubu-heartbeat": "true" });
        assert.equal(packet?.payload, {});
        assert.is(packet?.envelope, undefined);
      }
    }
  });

  test("D-039: without credit packets wait, and a credit of one releases one", async () => {
    const credits = { maxMessages: 2, maxBytes: 1 << 20 };
    await using b = await bed(plan(["a>b"], delivery(100, { credits })));
    const [a, to] = [await b.open("a"), await b.open("b")];
    for (const id of ["1", "2", "3", "4"]) a.send(packet(id));
    assert.equal(await ids(to, 2), ["1", "2"]);
    await eventually("two that wait", () => b.hub.edge("a>b").buffered === 2);
    to.send({ flow: { creditsMessages: 1, creditsBytes: 1 << 10 } });
    assert.equal(await ids(to, 1), ["3"]);
    assert.is(b.hub.edge("a>b").buffered, 1);
    to.send({ flow: { creditsMessages: 1, creditsBytes: 1 << 10 } });
    assert.equal(await ids(to, 1), ["4"]);
  });

  test("packets for a step that has not connected wait for it, in order", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)));
    const a = await b.open("a");
    const sent = Array.from({ length: 20 }, (_, i) => String(i));
    for (const id of sent) a.send(packet(id));
    await eventually("all in the buffer", () => b.hub.edge("a>b").buffered === sent.length);
    assert.equal(await ids(await b.open("b"), sent.length), sent);
  });

  test("a call whose deadline passes ends with DeadlineExceeded on both sides", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)));
    await b.open("b"); // so that the connection is there
    const before = opened(b.hub);
    const call = b.client.call(identity("a"), 250);
    await eventually("the stream", () => opened(b.hub) > before);
    assert.is((await ended(call)).code, code.deadlineExceeded);
    await eventually("the end of the stream", () => !b.hub.hub.connected("demo", "run", "a"));
  });

  test("a call that is given up leaves its step free, and nothing that it sent is lost", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)));
    const [a, to] = [await b.open("a"), await b.open("b")];
    await a.send(packet("1"));
    assert.equal(await ids(to, 1), ["1"]);
    a.cancel();
    await eventually("the end of the stream", () => !b.hub.hub.connected("demo", "run", "a"));
    const again = await b.open("a");
    again.send(packet("2"));
    assert.equal(await ids(to, 1), ["2"]);
  });

  test("a call that is closed after sending ends with OK, what it sent arrives, and what it got before the end", async () => {
    await using b = await bed(plan(["a>b"], delivery(1000)));
    const [a, to] = [await b.open("a"), await b.open("b")];
    const sent = Array.from({ length: 300 }, (_, i) => String(i));
    for (const id of sent) a.send(packet(id));
    a.endSending();
    assert.equal(await ended(a), { code: code.ok, message: "", reason: null });
    await eventually("all received", () => b.hub.edge("a>b").delivered === sent.length);
    to.endSending();
    assert.equal(await ids(to, sent.length), sent);
    assert.is((await ended(to)).code, code.ok);
  });

  test("a message over the limit ends its stream alone, naming the limit", async () => {
    await using b = await bed(plan(["a>b", "c>b"], delivery(100)), { config: { maxReceiveBytes: 100_000 } });
    const [a, c, to] = [await b.open("a"), await b.open("c"), await b.open("b")];
    a.send(packet("before"));
    a.send(large("over", 100_001));
    const status = await ended(a);
    assert.is(status.code, code.resourceExhausted);
    assert.is(status.reason, "PacketTooLarge");
    assert.match(status.message, /100000/);
    c.send(large("under", 99_000));
    assert.equal((await ids(to, 2)).sort(), ["before", "under"]);
    const again = await b.open("a");
    again.send(packet("again"));
    assert.equal(await ids(to, 1), ["again"]);
  });

  test("garbage ends its stream alone with InvalidArgument", async () => {
    await using b = await bed(plan(["a>b", "c>b"], delivery(100)));
    const [a, c, to] = [await b.open("a"), await b.open("c"), await b.open("b")];
    a.send(packet("before"));
    a.send(garbage());
    const status = await ended(a);
    assert.is(status.code, code.invalidArgument);
    assert.is(status.reason, "InvalidPacket");
    assert.match(status.message, /^transport process request invalid: /);
    c.send(packet("after"));
    assert.equal(await ids(to, 2), ["before", "after"]);
  });

  test("a packet over the limits of the wire ends its stream with InvalidArgument, naming the field", async () => {
    await using b = await bed(plan(["a>b"], delivery(100)));
    const a = await b.open("a");
    a.send({ packet: { metadata: { k: "v".repeat(1025) }, payload: {} } });
    const status = await ended(a);
    assert.is(status.code, code.invalidArgument);
    assert.match(status.message, /^transport process request invalid: packet\.metadata/);
  });

  test("frames of 64 KiB, of 5 MiB and of nearly the limit arrive as they were sent", async () => {
    await using b = await bed(plan(["a>b"], delivery(100, { buffer: { maxMessages: 100, maxBytes: 1 << 24 } })));
    const to = await b.open("b");
    // the largest one before the response of its call is there
    const a = b.client.call(identity("a"));
    for (const size of [10_400_000, 5 * 1024 * 1024, 64 * 1024]) {
      const payload = new Uint8Array(size);
      for (let i = 0; i < size; i++) payload[i] = i * 31 + (i >> 8);
      a.send({ packet: { metadata: { id: "x" }, frame: { case: "binary", value: { payload, mimeType: "a/b" } } } });
      const { packet } = await next(to);
      if (packet?.frame.case !== "binary") throw new Error("no binary frame");
      assert.is(packet.frame.value.payload.length, size);
      assert.is(Buffer.compare(packet.frame.value.payload, payload), 0);
    }
  });

  test("a thousand packets arrive in order", async () => {
    await using b = await bed(plan(["a>b"], delivery(2000)));
    const [a, to] = [await b.open("a"), await b.open("b")];
    const sent = Array.from({ length: 1000 }, (_, i) => String(i));
    for (const id of sent) a.send(packet(id));
    assert.equal(await ids(to, sent.length), sent);
    assert.is(b.hub.edge("a>b").delivered, 1000);
  });

  test("a slow receiver slows its sender, and loses nothing", async () => {
    const count = 200;
    await using b = await bed(plan(["a>b"], delivery(5)), { config: { stallLimitMs: 20_000 } });
    const [a, to] = [await b.open("a"), await b.open("b")];
    let taken = 0;
    const sending = (async () => {
      for (let i = 0; i < count; i++) {
        await a.send(large(String(i), 32 * 1024));
        taken++;
      }
    })();
    await eventually("a full buffer", () => b.hub.edge("a>b").buffered > 5);
    assert.ok(taken < count, "the sender was slowed");
    const got = await ids(to, count);
    await within(5_000, "the last send", sending);
    assert.equal(got, Array.from({ length: count }, (_, i) => String(i)));
    assert.is(b.hub.edge("a>b").dropped.size, 0);
  });

  test.run();
}

/** Field 1, the packet, with three bytes that are none. */
function garbage(): RequestInit {
  const request = create(ProcessRequestSchema);
  request.$unknown = [{ no: 1, wireType: 2, data: Uint8Array.of(3, 0xff, 0xff, 0xff) }];
  return request;
}

/** How many streams the hub was asked for; each is counted under one mode of capabilities. */
function opened(hub: TestHub): number {
  return Object.values(hub.hub.facts().capabilities).reduce((sum, count) => sum + count, 0);
}
