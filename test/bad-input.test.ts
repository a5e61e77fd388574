// Whatever a peer does wrong is named to that peer, and a healthy stream beside it never notices.

import { Buffer } from "node:buffer";
import * as net from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isTransportError, TransportError } from "../src/contract/errors.ts";
import { requestHeaders } from "../src/contract/names.ts";
import type { PlanSource } from "../src/hub/plans.ts";
import type { RunPlan } from "../src/routing/plan.ts";
import { large, packet } from "./process/client.ts";
import { frame, RawCall, rawSession, request } from "./process/raw-client.ts";
import { Signal } from "./support/deadline.ts";
import { eventually } from "./support/eventually.ts";
import { delivery, plan } from "./support/fake-plans.ts";
import { serveHub, type TestHub } from "./support/serve-hub.ts";

const bad = suite("bad input");

const good = plan(["good>sink", "a>b"], delivery(100));
const refused: RunPlan = {
  ...plan([], delivery(1)),
  storyRun: "refused",
  refusal: new TransportError("NotSupported", "Story demo/odd: spec.steps[1].runtime is not supported"),
};
const plans: PlanSource = {
  plan: (_, storyRun) => ({ run: good, refused })[storyRun] ?? null,
  subscribe: () => () => {},
};

interface Bed extends AsyncDisposable {
  readonly hub: TestHub;
  /** A new connection's call as a step of `demo/run`. */
  call(step: string, headers?: Record<string, string>): RawCall;
}

/** A hub with a healthy pair of streams; at its end their packets are all there, in order, and nothing was dropped. */
async function bed(): Promise<Bed & { readonly stillGood: () => Promise<void> }> {
  const hub = await serveHub(plans);
  const healthy = rawSession(hub.address);
  const sessions = [healthy];
  const [from, to] = [new RawCall(healthy, "good").read(), new RawCall(healthy, "sink").read()];
  await eventually("the healthy pair", () => hub.hub.facts().activeStreams === 2);
  let sent = 0;
  return {
    hub,
    call(step, headers) {
      const session = rawSession(hub.address);
      sessions.push(session);
      return new RawCall(session, step, headers).read();
    },
    async stillGood() {
      from.stream.write(request(packet(String(sent++))));
      assert.equal([...await to.ids(sent)], Array.from({ length: sent }, (_, i) => String(i)));
      assert.is(hub.edge("good>sink").dropped.size, 0);
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.close();
      await hub[Symbol.asyncDispose]();
    },
  };
}

bad("garbage instead of protobuf, in each form of it", async () => {
  await using b = await bed();
  const garbage = [
    Uint8Array.of(0xff),
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    Uint8Array.of(0x0a, 0x7f, 0x01),
    Uint8Array.of(0x0a, 0x02, 0x08, 0x01), // metadata as a number
    Uint8Array.of(0x0b, 0x0c, 0x0b, 0x0b), // groups that do not end
  ];
  for (const bytes of garbage) {
    const call = b.call("a");
    call.stream.write(frame(bytes));
    assert.match(await call.status(), /^3 transport process request invalid: \w/);
    assert.is(call.trailers?.["bobravoz-reason"], "InvalidPacket");
    await b.stillGood();
  }
});

bad("a packet over the limit names both sizes", async () => {
  await using b = await bed();
  const call = b.call("a");
  call.stream.write(request(large("over", 10_485_760)));
  assert.match(await call.status(), /^8 message of 104\d{5} bytes is over the limit of 10485760 bytes$/);
  await b.stillGood();
});

bad("a stale generation and a second connection of the same step", async () => {
  await using b = await bed();
  const first = b.call("a", { [requestHeaders.generation]: "4" });
  await eventually("the first", () => b.hub.hub.connected("demo", "run", "a"));
  const stale = b.call("a", { [requestHeaders.generation]: "3" });
  assert.is(
    await stale.status(),
    '9 connector-generation 3 of step "a" of demo/run is stale: generation 4 has connected',
  );
  first.stream.write(request(packet("1")));
  await eventually("its packet", () => b.hub.edge("a>b").received === 1);
  const second = b.call("a", { [requestHeaders.generation]: "4" });
  assert.is(await first.status(), "10 superseded by a stream of connector-generation 4");
  second.stream.write(request(packet("2")));
  await eventually("the packet of the second", () => b.hub.edge("a>b").received === 2);
  await b.stillGood();
});

bad("a run that nobody knows, a step that the Story does not have, and a Story that is refused", async () => {
  await using b = await bed();
  const unknown = b.call("a", { [requestHeaders.storyRun]: "nobody" });
  unknown.stream.write(request(packet("1")));
  assert.is(await unknown.status(), "14 no plan for StoryRun demo/nobody on this hub");
  const refusedRun = b.call("a", { [requestHeaders.storyRun]: "refused" });
  assert.is(await refusedRun.status(), "9 Story demo/odd: spec.steps[1].runtime is not supported");
  const stranger = b.call("stranger");
  stranger.stream.write(request(packet("1")));
  await eventually("a packet without a way", () => b.hub.hub.facts().counters.unrouted === 1);
  assert.is(stranger.isClosed, false);
  await b.stillGood();
});

bad("a port that is in use is named, and who has it goes on", async () => {
  await using b = await bed();
  const port = Number(b.hub.address.split(":")[1]);
  try {
    await serveHub(plans, { port });
    assert.unreachable("it listens twice");
  } catch (error) {
    assert.ok(isTransportError(error, "PortInUse"), String(error));
    assert.is((error as Error).message, `address 127.0.0.1:${port} is in use`);
  }
  await b.stillGood();
});

bad("something that does not speak HTTP/2 at all", async () => {
  await using b = await bed();
  for (
    const text of ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", "\x16\x03\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff"]
  ) {
    const [host, port] = b.hub.address.split(":");
    const socket = net.connect({ host, port: Number(port) });
    const signal = new Signal();
    let isClosed = false;
    socket.on("error", () => {});
    socket.on("close", () => {
      isClosed = true;
      signal.notify();
    });
    socket.resume();
    socket.end(text, "latin1");
    await signal.until("the end of the connection", () => isClosed);
    await b.stillGood();
  }
});

bad("a path that is not served", async () => {
  await using b = await bed();
  const session = rawSession(b.hub.address);
  const signal = new Signal();
  let status: unknown;
  const stream = session.request({ ":method": "POST", ":path": "/nobody.Service/Call" });
  stream.on("response", (headers) => {
    status = headers[":status"];
    signal.notify();
  });
  stream.resume();
  stream.end();
  assert.is(await signal.until("a response", () => status), 404);
  session.close();
  await b.stillGood();
});

bad.run();
