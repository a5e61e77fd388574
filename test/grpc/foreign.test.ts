// Our own framing against @grpc/grpc-js and connect-node, from both sides.

import { Buffer } from "node:buffer";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Serving,
  HealthCheckResponseSchema,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { callUnary, pathOf, unaryMethod } from "../../src/adapters/grpc/codec.ts";
import { grpcCodes } from "../../src/adapters/grpc/codes.ts";
import { addHealth, Health as HealthState } from "../../src/adapters/rpc/health.ts";
import { isTransportError, TransportError } from "../../src/contract/errors.ts";
import { within } from "../support/deadline.ts";
import { serveRpc } from "../support/serve-rpc.ts";
import { openBed, openChannel, SeenCall } from "./bed.ts";

const test = suite("our own framing with other implementations");

const raw = { serialize: (bytes: Buffer) => bytes, deserialize: (bytes: Buffer) => bytes };

function grpcJsMethod(name: string): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path: `/test.Service/${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: raw.serialize,
    requestDeserialize: raw.deserialize,
    responseSerialize: raw.serialize,
    responseDeserialize: raw.deserialize,
  };
}

async function serveGrpcJs() {
  const server = new grpc.Server();
  server.addService({ echo: grpcJsMethod("Echo"), fail: grpcJsMethod("Fail") }, {
    echo(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      call.on("data", (message: Buffer) => {
        if (!call.write(message)) call.pause();
      });
      call.on("drain", () => call.resume());
      call.on("end", () => {
        const trailers = new grpc.Metadata();
        trailers.set("x-told", "all");
        call.end(trailers);
      });
    },
    fail(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      call.emit("error", { code: grpc.status.FAILED_PRECONDITION, details: "nicht – so" });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", credentials, (error, port) => error ? reject(error) : resolve(port));
  });
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

test("a client of ours and a grpc-js server: messages both ways, trailers, failures", async () => {
  const server = await serveGrpcJs();
  const channel = openChannel(server.address);
  const call = new SeenCall(channel, "Echo");
  const sizes = Array.from({ length: 300 }, (_, i) => i * 97 % 20_000);
  for (const size of sizes) call.stream.write(Buffer.alloc(size, size));
  call.stream.halfClose();
  const status = await call.status;
  assert.is(status.code, 0, status.message);
  assert.is(status.trailers["x-told"], "all");
  assert.equal(call.messages.map(({ length }) => length), sizes);
  const failed = await new SeenCall(channel, "Fail").status;
  assert.equal([failed.code, failed.message], [grpcCodes.FailedPrecondition, "nicht – so"]);
  assert.is((await new SeenCall(channel, "None").status).code, grpcCodes.Unimplemented);
  await channel.close();
  server.close();
});

test("a grpc-js client and a server of ours: messages both ways, trailers, failures, deadline", async () => {
  await using bed = await openBed();
  const client = new grpc.Client(bed.port.address, grpc.credentials.createInsecure());
  const open = (name: string, options = {}) =>
    client.makeBidiStreamRequest(`/test.Service/${name}`, raw.serialize, raw.deserialize, new grpc.Metadata(), options);
  const ended = (call: grpc.ClientDuplexStream<Buffer, Buffer>) => {
    call.on("error", () => {});
    const status = new Promise<grpc.StatusObject>((resolve) => call.once("status", resolve));
    return within(5_000, "the end of a call", status);
  };
  const call = open("Echo");
  const sizes = Array.from({ length: 300 }, (_, i) => i * 97 % 20_000);
  const got: number[] = [];
  call.on("data", (message: Buffer) => got.push(message.length));
  for (const size of sizes) call.write(Buffer.alloc(size));
  call.end();
  const status = await ended(call);
  assert.equal([status.code, status.metadata.get("x-told")], [0, ["all"]]);
  assert.equal(got, sizes);
  const failing = open("Unary");
  failing.resume();
  failing.end(Buffer.from("unknown step"));
  const failed = await ended(failing);
  assert.equal([failed.code, failed.details], [grpcCodes.NotFound, "no step “mic” – 100%"]);
  assert.equal(failed.metadata.get("bobravoz-reason"), ["UnknownStep"]);
  const late = open("Wait", { deadline: Date.now() + 50 });
  late.resume();
  assert.is((await ended(late)).code, grpcCodes.DeadlineExceeded);
  client.close();
});

test("typed unary calls: ours at connect-node, connect-node's and ours at ours", async () => {
  const health = new HealthState(["known"]);
  health.set(true);
  const check = unaryMethod(Health.method.check, ({ service }) => {
    if (service !== "known") throw new TransportError("NotFound", `no service "${service}"`);
    return create(HealthCheckResponseSchema, { status: Serving.SERVING });
  });
  await using rpc = await serveRpc((router) => addHealth(router, health));
  await using bed = await openBed({ methods: { [pathOf(Health.method.check)]: check } });
  const atConnect = openChannel(new URL(rpc.url).host);
  const known = create(HealthCheckRequestSchema, { service: "known" });
  const unknown = create(HealthCheckRequestSchema, { service: "unknown" });
  for (const channel of [atConnect, bed.channel]) {
    assert.is((await callUnary(channel, Health.method.check, known)).status, Serving.SERVING);
    const error = await callUnary(channel, Health.method.check, unknown).catch((error: unknown) => error);
    assert.ok(isTransportError(error, "NotFound"), String(error));
  }
  const transport = createGrpcTransport({ baseUrl: `http://${bed.port.address}`, idleConnectionTimeoutMs: 50 });
  const client = createClient(Health, transport);
  assert.is((await client.check(known)).status, Serving.SERVING);
  const error = await client.check(unknown).catch((error: { code: number }) => error.code);
  assert.is(error, grpcCodes.NotFound);
  await atConnect.close();
});

test.run();
