/** Where a connector is found: a Unix socket as well as a port, probes, and what it counts. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ControlAction } from "../../gen/transport/v1/transport_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { connectorMetrics } from "../../src/adapters/connector/metrics.ts";
import { GrpcChannel } from "../../src/adapters/grpc/channel.ts";
import { connectorBed } from "../support/connector-bed.ts";
import { eventually } from "../support/eventually.ts";
import { ScriptHub } from "../support/script-hub.ts";

const test = suite("ports of a connector");

test("an engram finds it at a Unix socket", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-socket-"));
  await using hub = await ScriptHub.start();
  const connector = await connectorBed({
    hub: hub.address,
    env: { BUBU_GRPC_LOCAL_ENDPOINT: `unix://${join(folder, "connector.sock")}` },
  });
  try {
    await using engram = connector.engram();
    await engram.directive(ControlAction.CONNECTOR_READY);
    const stream = await hub.stream();
    engram.send({ payload: { n: 1 } });
    await eventually("the packet", () => stream.packets.length === 1);
  } finally {
    await connector[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  }
});

test("a probe is answered by gRPC health", async () => {
  await using hub = await ScriptHub.start();
  await using connector = await connectorBed({ hub: hub.address });
  const channel = new GrpcChannel({ address: connector.node.address, tls: null, clock: systemClock });
  const answer = await channel.unary("/grpc.health.v1.Health/Check", new Uint8Array());
  assert.equal([...answer], [0x08, 1]);
  await channel.close();
});

test("metrics have the ecosystem's names, and labels from closed lists", async () => {
  await using hub = await ScriptHub.start();
  await using connector = await connectorBed({ hub: hub.address });
  await using engram = connector.engram();
  await engram.directive(ControlAction.CONNECTOR_READY);
  const stream = await hub.stream();
  engram.say({ customAction: "a type that nobody knows" });
  engram.say({ action: ControlAction.STOP_DOWNSTREAM });
  await engram.directive(ControlAction.ACK, 1);
  stream.send({ payload: { n: 1 } });
  const { connector: inner } = connector.node;
  await eventually("the drop", () => inner.counters.downstreamDrops.get("gated") === 1);
  const text = await connectorMetrics(inner, () => ({ succeeded: 2, failed: 0 })).render();
  const labels = 'namespace="demo",binding="binding"';
  for (
    const line of [
      `bobravoz_connector_downstream_drops_total{${labels},reason="gated"} 1`,
      `bobravoz_connector_capability_listeners{${labels}} 1`,
      `bobravoz_connector_control_directives_total{${labels},direction="in",type="other"} 1`,
      `bobravoz_connector_connection_state{${labels}} 1`,
      `bobravoz_connector_reports_total{${labels},outcome="success"} 2`,
    ]
  ) {
    assert.ok(text.includes(`${line}\n`), `${line} is not in\n${text}`);
  }
});

test("a connector does not serve its engram off loopback", async () => {
  await using hub = await ScriptHub.start();
  try {
    await connectorBed({ hub: hub.address, env: { BUBU_GRPC_LOCAL_ENDPOINT: "0.0.0.0:50051" } });
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), "0.0.0.0:50051 is not loopback");
  }
});

test.run();
