import * as assert from "uvu/assert";
import { suite } from "uvu";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "../gen/grpc/health/v1/health_pb.ts";
import { addHealth, Health } from "../src/adapters/rpc/health.ts";
import { within } from "./support/deadline.ts";
import { next, serveRpc } from "./support/serve-rpc.ts";

const test = suite("health service");
const services = ["transport.v1.HubService", "bobravoz.discovery.v1.DiscoveryService"];

test("a service serves once the program says so, over each protocol", async () => {
  const health = new Health(services);
  await using server = await serveRpc((router) => addHealth(router, health));
  const transports = [
    createGrpcTransport({ baseUrl: server.url }),
    createGrpcWebTransport({ baseUrl: server.url, httpVersion: "2" }),
    createConnectTransport({ baseUrl: server.url, httpVersion: "2" }),
  ];
  for (const transport of transports) {
    const client = createClient(HealthService, transport);
    for (const serving of [false, true]) {
      health.set(serving);
      for (const service of ["", ...services]) {
        const answer = await within(5000, "check", client.check({ service }));
        assert.is(answer.status, serving ? Status.SERVING : Status.NOT_SERVING);
      }
    }
  }
});

test("a service that nobody knows is not found", async () => {
  await using server = await serveRpc((router) => addHealth(router, new Health(services)));
  const client = createClient(HealthService, createGrpcTransport({ baseUrl: server.url }));
  try {
    await within(5000, "check", client.check({ service: "nobody.Knows" }));
    assert.unreachable();
  } catch (error) {
    assert.is(ConnectError.from(error).code, Code.NotFound);
    assert.match(ConnectError.from(error).rawMessage, /nobody\.Knows/);
  }
});

test("a watch tells the status at once, then changes only, and draining is one", async () => {
  const health = new Health(services);
  health.set(true);
  await using server = await serveRpc((router) => addHealth(router, health));
  const client = createClient(HealthService, createGrpcTransport({ baseUrl: server.url }));
  const stop = new AbortController();
  const hub = client.watch({ service: services[0]! }, { signal: stop.signal })[Symbol.asyncIterator]();
  const unknown = client.watch({ service: "nobody.Knows" }, { signal: stop.signal })[Symbol.asyncIterator]();
  assert.is((await next("first status", hub)).status, Status.SERVING);
  assert.is((await next("unknown service", unknown)).status, Status.SERVICE_UNKNOWN);
  health.set(true);
  health.set(false, services[0]!);
  assert.is((await next("draining", hub)).status, Status.NOT_SERVING);
  health.set(true, "nobody.Knows");
  assert.is((await next("service that appeared", unknown)).status, Status.SERVING);
  stop.abort();
});

test("a watch ends when the server stops", async () => {
  await using server = await serveRpc((router) => addHealth(router, new Health(services)));
  const client = createClient(HealthService, createGrpcTransport({ baseUrl: server.url }));
  const watch = client.watch({ service: "" })[Symbol.asyncIterator]();
  await next("first status", watch);
  server.stop(new ConnectError("server stops", Code.Unavailable));
  try {
    await within(5000, "end of the watch", watch.next());
    assert.unreachable();
  } catch (error) {
    assert.is(ConnectError.from(error).code, Code.Unavailable);
  }
});

test.run();
