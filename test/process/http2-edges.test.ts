// What peers see of HTTP/2 below gRPC: resets, GOAWAY, windows, and calls that break off.

import { Buffer } from "node:buffer";
import { constants } from "node:http2";
import * as net from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { requestHeaders } from "../../src/contract/names.ts";
import { Signal, within } from "../support/deadline.ts";
import { eventually } from "../support/eventually.ts";
import { delivery, plan } from "../support/fake-plans.ts";
import { serveHub } from "../support/serve-hub.ts";
import { large, packet } from "./client.ts";
import { frame, RawCall, rawSession, request } from "./raw-client.ts";

const edges = suite("HTTP/2 under Process");

edges("a peer that leaves its side open gets the status first and a reset without an error later", async () => {
  await using hub = await serveHub(plan(["a>b"], delivery(10)));
  using session = rawSession(hub.address);
  const refused = new RawCall(session, "a", { [requestHeaders.protocol]: "0.9" }).read();
  const ended = new RawCall(session, "a").read();
  ended.stream.write(frame(Uint8Array.of(0xff, 0xff)));
  assert.match(await refused.status(), /^9 unsupported transport protocol version "0\.9"/);
  assert.match(await ended.status(), /^3 transport process request invalid/);
  for (const call of [refused, ended]) {
    await call.signal.until("the end of the stream", () => call.isClosed);
    assert.is(call.stream.rstCode, 0);
    assert.is(call.error, null);
  }
  assert.is(hub.hub.facts().activeStreams, 0);
});

edges("what arrived before a normal end is followed by OK, and by no reset where both sides have ended", async () => {
  await using hub = await serveHub(plan(["a>b"], delivery(10)));
  using session = rawSession(hub.address);
  const to = new RawCall(session, "b").read();
  const from = new RawCall(session, "a").read();
  from.stream.end(request(packet("1")));
  assert.is(await from.status(), "0 ");
  assert.equal(await to.ids(1), ["1"]);
  to.stream.end();
  assert.is(await to.status(), "0 ");
  for (const call of [from, to]) {
    await call.signal.until("the end of the stream", () => call.isClosed);
    assert.is(call.error, null);
  }
});

edges("a stream that ends inside of a message, or whose message claims to be compressed, is told so", async () => {
  await using hub = await serveHub(plan(["a>b"], delivery(10)));
  using session = rawSession(hub.address);
  const cut = new RawCall(session, "a").read();
  cut.stream.end(request(packet("1")).subarray(0, 9));
  assert.is(await cut.status(), "3 the stream ended inside of a message");
  const compressed = new RawCall(session, "a").read();
  compressed.stream.write(frame(Buffer.from("anything"), 1));
  assert.is(await compressed.status(), "3 compressed message without grpc-encoding");
});

edges("a message of which only the length is there is refused by its length alone", async () => {
  await using hub = await serveHub(plan(["a>b"], delivery(10)));
  using session = rawSession(hub.address);
  const call = new RawCall(session, "a").read();
  call.stream.write(Buffer.of(0, 0xff, 0xff, 0xff, 0xff));
  assert.is(await call.status(), "8 message of 4294967295 bytes is over the limit of 10485760 bytes");
});

edges("a connection that breaks inside of a message frees its steps", async () => {
  await using hub = await serveHub(plan(["a>b"], delivery(10)));
  const broken = rawSession(hub.address);
  const [from, to] = [new RawCall(broken, "a"), new RawCall(broken, "b")];
  from.stream.write(request(packet("1")).subarray(0, 9));
  await to.signal.until("the response", () => to.headers);
  await eventually("both streams", () => hub.hub.facts().activeStreams === 2);
  broken.destroy();
  await eventually("the end of both", () => hub.hub.facts().activeStreams === 0);
  assert.is(hub.edge("a>b").received, 0);
});

edges("two hundred streams share one connection", async () => {
  const steps = Array.from({ length: 100 }, (_, i) => i);
  await using hub = await serveHub(plan(steps.map((i) => `from${i}>to${i}`), delivery(10)));
  using session = rawSession(hub.address);
  const calls = steps.map((i) => ({
    from: new RawCall(session, `from${i}`).read(),
    to: new RawCall(session, `to${i}`).read(),
  }));
  for (const [i, { from }] of calls.entries()) from.stream.write(request(packet(String(i))));
  for (const [i, { to }] of calls.entries()) assert.equal(await to.ids(1), [String(i)]);
  for (const { from, to } of calls) {
    from.stream.end();
    to.stream.end();
  }
  for (const { from, to } of calls) assert.equal([await from.status(), await to.status()], ["0 ", "0 "]);
});

edges("a stream that never reads holds its sender, and nothing else on the same connection", async () => {
  await using hub = await serveHub(plan(["a>stuck", "c>fast"], delivery(10)), { config: { stallLimitMs: 20_000 } });
  using session = rawSession(hub.address);
  const stuck = new RawCall(session, "stuck");
  const [a, c] = [new RawCall(session, "a").read(), new RawCall(session, "c").read()];
  const fast = new RawCall(session, "fast").read();
  await eventually("four streams", () => hub.hub.facts().activeStreams === 4);
  const body = request(large("x", 32 * 1024));
  let written = 0;
  const feed = () => {
    while (written++ < 500 && a.stream.write(body));
  };
  a.stream.on("drain", feed);
  feed();
  await eventually("a held sender", () => hub.edge("a>stuck").buffered > 10);
  for (let i = 0; i < 100; i++) c.stream.write(request(packet(String(i))));
  assert.is((await fast.ids(100)).at(-1), "99");
  assert.is(hub.edge("a>stuck").dropped.size, 0);
  stuck.read();
  await eventually("a sender that goes on", () => hub.edge("a>stuck").delivered > 100);
  for (const call of [a, c, stuck, fast]) call.stream.close(constants.NGHTTP2_CANCEL);
  await eventually("the end of every stream", () => hub.hub.facts().activeStreams === 0);
});

edges("a held sender that leaves is forgotten at once, and a hub with held senders closes in time", async () => {
  const hub = await serveHub(plan(["a>stuck", "b>stuck"], delivery(10)), { config: { stallLimitMs: 20_000 } });
  using session = rawSession(hub.address);
  const [a, b] = [new RawCall(session, "a").read(), new RawCall(session, "b").read()];
  await eventually("both streams", () => hub.hub.facts().activeStreams === 2);
  for (let i = 0; i < 20; i++) a.stream.write(request(packet(String(i))));
  await eventually("a held sender", () => hub.edge("a>stuck").buffered > 10);
  for (let i = 0; i < 20; i++) b.stream.write(request(packet(String(i))));
  await eventually("another one", () => hub.edge("b>stuck").buffered === 1);
  a.stream.close(constants.NGHTTP2_CANCEL);
  await eventually("the end of the first", () => !hub.hub.connected("demo", "run", "a"));
  await within(3_000, "the end of the hub", hub.served.close(200));
  assert.is(await b.status(), "14 the hub is stopping");
});

edges("a peer that never closes its connection does not keep the hub from closing", async () => {
  const hub = await serveHub(plan(["a>b"], delivery(10)));
  const [host, port] = hub.address.split(":");
  const socket = net.connect({ host, port: Number(port), allowHalfOpen: true });
  const signal = new Signal();
  socket.on("data", signal.notify);
  socket.on("error", () => {});
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0)); // empty SETTINGS
  await signal.until("SETTINGS of the hub", () => socket.bytesRead > 0);
  try {
    await within(3_000, "the end of the hub", hub.served.close(100));
  } finally {
    socket.destroy();
  }
});

edges(
  "a hub that closes ends its streams with Unavailable, says GOAWAY without an error, and refuses who comes",
  async () => {
    const hub = await serveHub(plan(["a>b"], delivery(10)));
    using session = rawSession(hub.address);
    const signal = new Signal();
    let goaway: number | null = null;
    session.on("goaway", (code) => {
      goaway = code;
      signal.notify();
    });
    const call = new RawCall(session, "a").read();
    await call.signal.until("the response", () => call.headers);
    const closed = hub.served.close(1000);
    assert.is(await call.status(), "14 the hub is stopping");
    assert.is(call.trailers?.["bobravoz-reason"], "HubDraining");
    call.stream.end();
    await signal.until("GOAWAY", () => goaway !== null);
    assert.is(goaway, 0);
    await within(3_000, "the end of the hub", closed);
  },
);

edges.run();
