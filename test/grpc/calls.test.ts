// Both ends of our own framing against each other, over real sockets.

import { Buffer } from "node:buffer";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { grpcCodes } from "../../src/adapters/grpc/codes.ts";
import { isTransportError, TransportError } from "../../src/contract/errors.ts";
import { within } from "../support/deadline.ts";
import { eventually } from "../support/eventually.ts";
import { createAuthority } from "../support/tls.ts";
import { openBed, openChannel, SeenCall } from "./bed.ts";

const test = suite("calls of our own framing");
const authority = createAuthority("calls");

async function failure(promise: Promise<unknown>): Promise<TransportError> {
  try {
    await promise;
  } catch (error) {
    if (isTransportError(error)) return error;
    throw error;
  }
  throw new Error("no failure");
}

test("a call carries metadata, messages both ways and trailers, over TCP, a socket file and TLS", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-grpc-"));
  const secure = { listen: { tls: authority.issue("server") }, dial: { tls: authority.issue("client") } };
  const ways = [
    {},
    { listen: { address: `unix:${join(folder, "engram.sock")}` } },
    secure,
    { ...secure, dial: { tls: { ...secure.dial.tls, serverName: "localhost" } } },
  ];
  for (const { listen, dial } of ways as { listen?: object; dial?: object }[]) {
    await using bed = await openBed(listen, dial);
    const call = new SeenCall(bed.channel, "Echo", { metadata: { "x-kind": "voice" } });
    call.stream.write(Buffer.from("one"));
    call.stream.writeParts([Buffer.from("tw"), Buffer.from("o")]);
    call.stream.write(new Uint8Array(0));
    call.stream.halfClose();
    const status = await call.status;
    assert.equal(status, { code: 0, message: "", reason: null, trailers: { "x-told": "all" } });
    assert.is(call.headers?.["x-kind"], "voice");
    assert.equal(call.messages.map(String), ["one", "two", ""]);
    assert.is(call.order[0], "headers");
  }
  await rm(folder, { recursive: true });
});

test("law: messages of any sizes come back whole and in order", async () => {
  await using bed = await openBed();
  const size = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1000, max: 200_000 }));
  await fc.assert(
    fc.asyncProperty(fc.array(size, { maxLength: 30 }), async (sizes) => {
      const call = new SeenCall(bed.channel, "Echo");
      for (const [i, length] of sizes.entries()) call.stream.write(new Uint8Array(length).fill(i));
      call.stream.halfClose();
      assert.is((await call.status).code, 0);
      assert.equal(call.messages.map(({ length }) => length), sizes);
      assert.ok(call.messages.every((message, i) => message.every((byte) => byte === i)));
    }),
    { numRuns: 15 },
  );
});

test("a server that holds its reading makes its client wait, and then gets all of it", async () => {
  await using bed = await openBed();
  const call = new SeenCall(bed.channel, "Held");
  let sent = 0;
  const fill = () => {
    while (sent < 200 && call.stream.writable) {
      call.stream.write(new Uint8Array(50_000));
      call.stream.flush();
      sent++;
    }
  };
  fill();
  await call.signal.until("the headers", () => call.headers);
  while (call.stream.writable) fill();
  assert.ok(sent > 5 && sent < 100, `${sent} messages left while nobody read`);
  bed.facts.release();
  while (sent < 200) {
    const before = call.order.length;
    await call.signal.until("room to write", () => call.order.slice(before).includes("writable"));
    fill();
  }
  call.stream.halfClose();
  assert.is((await call.status).trailers["x-count"], "200");
});

test("a client that holds its reading gets the rest and the status once it goes on", async () => {
  await using bed = await openBed();
  const call = new SeenCall(bed.channel, "Echo");
  call.goesOn = false;
  for (let i = 0; i < 20; i++) call.stream.write(Buffer.alloc(10_000, i));
  call.stream.halfClose();
  for (let i = 1; i <= 20; i++) {
    await call.signal.until(`message ${i}`, () => call.messages.length >= i);
    assert.is(call.messages.length, i);
    assert.not.ok(call.order.includes("end"));
    call.stream.resume();
  }
  assert.is((await call.status).code, 0);
  assert.equal(call.messages.map((message) => message[0]), Array.from({ length: 20 }, (_, i) => i));
});

test("a failure comes with its code, message and reason; one of the server's own tells nothing", async () => {
  await using bed = await openBed();
  const unary = (text: string, path = "Unary") => bed.channel.unary(`/test.Service/${path}`, Buffer.from(text));
  assert.is(Buffer.from(await unary("hello")).toString(), "hello");
  const unknown = await failure(unary("unknown step"));
  assert.is(unknown.reason, "UnknownStep");
  assert.is(unknown.message, "no step “mic” – 100%");
  assert.is((unknown.cause as { code: number }).code, grpcCodes.NotFound);
  const bug = await failure(unary("bug"));
  assert.is(bug.reason, "PeerFailed");
  assert.is(bug.message, "internal error");
  assert.is((await failure(unary("", "None"))).reason, "NotSupported");
});

test("a deadline ends a call on both sides", async () => {
  await using bed = await openBed();
  const call = new SeenCall(bed.channel, "Wait", { timeoutMs: 60 });
  assert.is((await call.status).code, grpcCodes.DeadlineExceeded);
  assert.is(await bed.facts.signal.until("the end at the server", () => bed.facts.closed.length > 0), true);
  assert.equal(bed.facts.closed, [true]);
});

test("a cancelled call ends at once here, and as a reset there", async () => {
  await using bed = await openBed();
  const stop = new AbortController();
  const calls = [new SeenCall(bed.channel, "Wait"), new SeenCall(bed.channel, "Wait", { signal: stop.signal })];
  for (const call of calls) await call.signal.until("the headers", () => call.headers);
  calls[0]!.stream.cancel();
  stop.abort(new TransportError("HubDraining", "this side stops"));
  assert.equal(calls.map(({ order }) => order.at(-1)), ["end", "end"]);
  assert.is((await calls[0]!.status).code, grpcCodes.Canceled);
  assert.is((await calls[1]!.status).reason, "HubDraining");
  await bed.facts.signal.until("the ends at the server", () => bed.facts.closed.length === 2);
  assert.equal(bed.facts.closed, [true, true]);
});

test("a call may be cancelled before there is a connection, and with a signal that has fired already", async () => {
  await using bed = await openBed();
  const early = new SeenCall(bed.channel, "Echo");
  early.stream.cancel();
  const late = new SeenCall(bed.channel, "Echo", { signal: AbortSignal.abort() });
  assert.not.ok(late.order.includes("end"));
  assert.is((await early.status).code, grpcCodes.Canceled);
  assert.is((await late.status).code, grpcCodes.Canceled);
  assert.is(Buffer.from(await bed.channel.unary("/test.Service/Unary", Buffer.from("on"))).toString(), "on");
});

test("a port that stops lets calls end, then ends them; the next call dials anew", async () => {
  let lost = 0;
  const bed = await openBed({}, { onLost: () => lost++ });
  const call = new SeenCall(bed.channel, "Echo");
  call.stream.write(Buffer.from("before"));
  await call.signal.until("an answer", () => call.messages.length === 1);
  const closed = bed.port.close(3_000);
  await eventually("the news that the port stops", () => !bed.channel.isConnected);
  call.stream.write(Buffer.from("after"));
  call.stream.halfClose();
  assert.is((await call.status).code, 0);
  assert.equal(call.messages.map(String), ["before", "after"]);
  await closed;
  const refused = await failure(bed.channel.unary("/test.Service/Unary", Buffer.from("x")));
  assert.is(refused.reason, "Unavailable");
  assert.match(refused.message, bed.port.address);
  assert.is(lost, 1);
  const again = await openBed({ address: bed.port.address });
  assert.is((await bed.channel.unary("/test.Service/Unary", Buffer.from("x"))).length, 1);
  await bed.channel.close();
  await again[Symbol.asyncDispose]();
});

test("a closed channel has ended its calls, and takes no more", async () => {
  await using bed = await openBed();
  const call = new SeenCall(bed.channel, "Wait");
  await call.signal.until("the headers", () => call.headers);
  await bed.channel.close();
  assert.is((await call.status).reason, "Aborted");
  assert.is((await failure(bed.channel.unary("/test.Service/Unary", Buffer.from("x")))).reason, "Aborted");
});

test("a server is refused that a stranger vouches for, and one that bears another name", async () => {
  const stranger = createAuthority("stranger");
  await using bed = await openBed({ tls: authority.issue("server") });
  const own = authority.issue("client");
  for (const tls of [{ ...own, ca: stranger.ca }, { ...own, serverName: "hub.other" }, stranger.issue("client")]) {
    const channel = openChannel(bed.port.address, { tls });
    assert.is((await failure(channel.connect())).reason, "Unavailable");
    await channel.close();
  }
});

test("a channel whose server leaves with messages on their way is told and closes in time", async () => {
  for (let i = 0; i < 25; i++) {
    const lost = Promise.withResolvers<void>();
    const dial = { tls: authority.issue("client"), onLost: () => lost.resolve() };
    await using bed = await openBed({ tls: authority.issue("server") }, dial);
    const call = new SeenCall(bed.channel, "Echo");
    await call.signal.until("the headers", () => call.headers);
    for (let n = 0; n < 500; n++) call.stream.write(new Uint8Array(3));
    call.stream.flush();
    await bed.port.close(0);
    if (i % 2 === 0) await bed.channel.close();
    assert.is.not((await call.status).code, 0);
    await within(2_000, "the news of the loss", lost.promise);
  }
});

test("a socket file that nobody serves is taken over, one that is served is in use", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-grpc-"));
  const address = `unix:${join(folder, "s")}`;
  {
    await using _first = await openBed({ address });
    assert.is((await failure(openBed({ address }))).reason, "PortInUse");
  }
  await using second = await openBed({ address });
  await second.channel.connect();
  await rm(folder, { recursive: true });
});

test.run();
