// Peers that are wrong, gone or slow: HTTP/2 by hand on one side, our own framing on the other.

import { Buffer } from "node:buffer";
import * as http2 from "node:http2";
import * as net from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { grpcCodes } from "../../src/adapters/grpc/codes.ts";
import { isTransportError } from "../../src/contract/errors.ts";
import { Signal, within } from "../support/deadline.ts";
import { openBed, openChannel, SeenCall } from "./bed.ts";

const test = suite("peers of our own framing that misbehave");

type Answer = (stream: http2.ServerHttp2Stream) => void;

/** A server by hand; ends with the test. */
async function serveByHand(answer: Answer): Promise<{ readonly address: string } & AsyncDisposable> {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
  });
  server.on("stream", (stream: http2.ServerHttp2Stream) => {
    stream.on("error", () => {});
    stream.resume();
    answer(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.close();
      await within(3_000, "the end of the server", new Promise<void>((resolve) => server.close(() => resolve())));
    },
  };
}

function frame(text: string, flag = 0, size = Buffer.byteLength(text)): Buffer {
  const prefix = Buffer.from([flag, 0, 0, 0, 0]);
  prefix.writeUInt32BE(size, 1);
  return Buffer.concat([prefix, Buffer.from(text)]);
}

const grpc = { ":status": 200, "content-type": "application/grpc" };

function respond(
  stream: http2.ServerHttp2Stream,
  body: Buffer | null,
  trailers: http2.OutgoingHttpHeaders | null,
): void {
  stream.respond(grpc, { waitForTrailers: trailers !== null });
  if (trailers !== null) stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  if (body === null) stream.end();
  else stream.end(body);
}

const { Ok, Canceled, Unknown, ResourceExhausted, Unimplemented, Internal, Unavailable, DataLoss } = grpcCodes;

/** What a server does → the code that its client sees. */
const answers: readonly (readonly [string, number, Answer])[] = [
  ["a proxy's 503", Unavailable, (stream) => stream.respond({ ":status": 503 }, { endStream: true })],
  ["a web server's 404", Unimplemented, (stream) => stream.respond({ ":status": 404 }, { endStream: true })],
  ["a page", Unknown, (stream) => {
    stream.respond({ ":status": 200, "content-type": "text/html" });
    stream.end("<p>");
  }],
  [
    "a status in the headers",
    DataLoss,
    (stream) => stream.respond({ ...grpc, "grpc-status": "15" }, { endStream: true }),
  ],
  ["a status in the headers, and the end later", DataLoss, (stream) => {
    stream.respond({ ...grpc, "grpc-status": "15" });
    setTimeout(() => stream.end(), 20);
  }],
  ["a status that is none of gRPC's", Unknown, (stream) => respond(stream, null, { "grpc-status": "99" })],
  ["a status after messages", DataLoss, (stream) => respond(stream, frame("m"), { "grpc-status": "15" })],
  ["an end without a status", Internal, (stream) => respond(stream, frame("m"), null)],
  ["an end inside of a message", Internal, (stream) => respond(stream, frame("m", 0, 2), { "grpc-status": "0" })],
  ["a compressed message", Internal, (stream) => respond(stream, frame("m", 1), { "grpc-status": "0" })],
  ["a message over the limit", ResourceExhausted, (stream) => {
    stream.respond(grpc);
    stream.write(frame("m", 0, 2000));
  }],
  ["a reset with CANCEL", Canceled, (stream) => stream.close(http2.constants.NGHTTP2_CANCEL)],
  ["a refused stream", Unavailable, (stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)],
  ["a reset with INTERNAL_ERROR", Internal, (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)],
  ["ENHANCE_YOUR_CALM", ResourceExhausted, (stream) => stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM)],
  ["a good end", Ok, (stream) => respond(stream, frame("m"), { "grpc-status": "0" })],
];

test("a client sees the code that gRPC has for each way in which a server can fail", async () => {
  let answer: Answer = () => {};
  await using server = await serveByHand((stream) => answer(stream));
  const channel = openChannel(server.address, { maxReceiveBytes: 1000 });
  for (const [what, code, each] of answers) {
    answer = each;
    for (const halfCloses of [true, false]) {
      const call = new SeenCall(channel, "Any");
      if (halfCloses) call.stream.halfClose();
      assert.is((await call.status).code, code, `${what}, ${halfCloses ? "half closed" : "open"}`);
      assert.is(call.order.filter((each) => each === "end").length, 1);
    }
  }
  await channel.close();
});

test("a client that holds its reading is told of a reset all the same", async () => {
  const writing = Promise.withResolvers<http2.ServerHttp2Stream>();
  await using server = await serveByHand((stream) => {
    stream.respond(grpc);
    for (let i = 0; i < 10; i++) stream.write(frame("x".repeat(30_000)));
    writing.resolve(stream);
  });
  const channel = openChannel(server.address);
  const call = new SeenCall(channel, "Any");
  call.goesOn = false;
  await call.signal.until("a message", () => call.messages.length === 1);
  (await writing.promise).close(http2.constants.NGHTTP2_CANCEL);
  assert.is((await call.status).code, Canceled);
  await channel.close();
});

/** A TCP server that does with its sockets what the test says. */
async function listenTcp(take: (socket: net.Socket) => void) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    take(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

test("a dial ends: at a refusal, at silence, at another protocol, at an abort, and with the channel", async () => {
  await using silent = await listenTcp(() => {});
  await using web = await listenTcp((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  for (const address of ["127.0.0.1:1", silent.address, web.address, "unix:/nowhere/at/all"]) {
    const channel = openChannel(address, { dialTimeoutMs: 150 });
    const call = new SeenCall(channel, "Any");
    const status = await call.status;
    assert.is(status.code, Unavailable, address);
    assert.match(status.message, address);
    await channel.close();
  }
  const channel = openChannel(silent.address);
  const aborted = await channel.connect(AbortSignal.timeout(20)).catch((error: Error) => error.name);
  assert.is(aborted, "TimeoutError");
  const late = new SeenCall(channel, "Any", { timeoutMs: 20 });
  assert.is((await late.status).code, grpcCodes.DeadlineExceeded);
  const waiting = new SeenCall(channel, "Any");
  await within(1_000, "the end of the channel", channel.close());
  assert.is((await waiting.status).reason, "Aborted");
});

test("a lost connection ends its calls and is told once; the next call dials anew", async () => {
  await using bed = await openBed();
  const [host, port] = bed.port.address.split(":") as [string, string];
  const pipes: net.Socket[] = [];
  await using proxy = await listenTcp((socket) => {
    const target = net.connect(Number(port), host);
    target.on("error", () => {});
    pipes.push(socket, target);
    socket.pipe(target).pipe(socket);
  });
  let lost = 0;
  const channel = openChannel(proxy.address, { onLost: () => lost++ });
  const call = new SeenCall(channel, "Wait");
  await call.signal.until("the headers", () => call.headers);
  for (const socket of pipes.splice(0)) socket.destroy();
  const status = await call.status;
  assert.is(status.code, Unavailable);
  assert.match(status.message, /connection lost/);
  assert.is((await channel.unary("/test.Service/Unary", Buffer.from("again"))).length, 5);
  assert.is(lost, 1);
  await bed.facts.signal.until("the end at the server", () => bed.facts.closed.length === 1);
  for (const socket of pipes) socket.destroy();
  await channel.close();
});

test("a peer that answers no ping is given up; one that does is kept", async () => {
  await using bed = await openBed();
  const [host, port] = bed.port.address.split(":") as [string, string];
  let isDeaf = false;
  await using proxy = await listenTcp((socket) => {
    const target = net.connect(Number(port), host);
    target.on("error", () => {});
    socket.on("data", (bytes) => isDeaf || target.write(bytes));
    target.on("data", (bytes) => isDeaf || socket.write(bytes));
    socket.on("close", () => target.destroy());
  });
  const gone = new Signal();
  let lost = 0;
  const keepalive = { timeMs: 20, timeoutMs: 200 };
  const channel = openChannel(proxy.address, {
    keepalive,
    onLost() {
      lost++;
      gone.notify();
    },
  });
  const call = new SeenCall(channel, "Echo");
  for (let i = 1; i <= 5; i++) {
    call.stream.write(Buffer.from("ping"));
    await call.signal.until("an answer", () => call.messages.length === i);
    await new Promise((resolve) => setTimeout(resolve, keepalive.timeMs));
  }
  assert.is(lost, 0);
  isDeaf = true;
  assert.is((await call.status).code, Unavailable);
  await gone.until("the loss", () => lost === 1);
  await channel.close();
});

/** What a server of ours answers to a request by hand. */
function ask(address: string, headers: http2.OutgoingHttpHeaders, body: readonly Buffer[]) {
  const session = http2.connect(`http://${address}`);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ...headers }, { endStream: false });
  stream.on("error", () => {});
  for (const chunk of body) stream.write(chunk);
  stream.end();
  let seen: http2.IncomingHttpHeaders = {};
  const add = (all: http2.IncomingHttpHeaders) => seen = { ...seen, ...all };
  stream.on("response", add).on("trailers", add).resume();
  const done = new Promise<http2.IncomingHttpHeaders>((resolve) => stream.once("close", () => resolve(seen)));
  return within(3_000, "an answer", done).finally(() => session.close());
}

test("a server refuses what is no call of its methods, each in the way of its protocol", async () => {
  await using bed = await openBed({ maxReceiveBytes: 1000 });
  const type = { "content-type": "application/grpc" };
  const unary = { ":path": "/test.Service/Unary", ...type };
  const cases: readonly (readonly [http2.OutgoingHttpHeaders, Buffer[], object])[] = [
    [{ ":path": "/", ":method": "GET" }, [], { ":status": 405, allow: "POST" }],
    [{ ...unary, "content-type": "application/json" }, [], { ":status": 415 }],
    [{ ...unary, "content-type": "application/grpc-web" }, [], { ":status": 415 }],
    [{ ...type, ":path": "/test.Service/None" }, [], { ":status": 200, "grpc-status": "12" }],
    [{ ...type, ":path": "/constructor" }, [], { "grpc-status": "12" }],
    [{ ...unary, "grpc-encoding": "gzip" }, [frame("m", 1)], {
      "grpc-status": "12",
      "grpc-accept-encoding": "identity",
    }],
    [unary, [frame("m", 1)], { "grpc-status": "13" }],
    [unary, [frame("m", 0, 2000)], { "grpc-status": "8", "bobravoz-reason": "PacketTooLarge" }],
    [unary, [frame("m", 0, 2)], { "grpc-status": "3", "bobravoz-reason": "InvalidPacket" }],
    [unary, [], { "grpc-status": "12" }],
    [unary, [frame("one"), frame("two")], { "grpc-status": "12" }],
    [{ ...unary, "content-type": "application/grpc+proto" }, [frame("one")], { "grpc-status": "0" }],
    [{ ...type, ":path": "/test.Service/Wait", "grpc-timeout": "1m" }, [], { "grpc-status": "4" }],
  ];
  for (const [headers, body, expected] of cases) {
    const seen = await ask(bed.port.address, headers, body);
    const relevant = Object.fromEntries(Object.keys(expected).map((name) => [name, seen[name]]));
    assert.equal(relevant, expected, JSON.stringify(headers));
  }
});

test("connect rejects an address that is none", async () => {
  const channel = openChannel("nowhere");
  const error = await channel.connect().catch((error: unknown) => error);
  assert.ok(isTransportError(error, "InvalidConfiguration"));
  await channel.close();
});

test.run();
