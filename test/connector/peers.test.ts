/** Peers off loopback: mTLS on the pod's own address, the same port, and nobody without a certificate (W-06). */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ControlAction } from "../../gen/transport/v1/transport_pb.ts";
import { podAddress } from "../../src/adapters/connector/pod-address.ts";
import { createAuthority } from "../support/tls.ts";
import { connectorBed } from "../support/connector-bed.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { ScriptHub } from "../support/script-hub.ts";

const test = suite("peers of a connector");

/** Variables with the certificate files of one authority. */
async function certificates(name: string) {
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-tls-"));
  const { cert, key, ca } = createAuthority(name).issue("connector");
  const paths = { cert: join(folder, "tls.crt"), key: join(folder, "tls.key"), ca: join(folder, "ca.crt") };
  await Promise.all([writeFile(paths.cert, cert), writeFile(paths.key, key), writeFile(paths.ca, ca)]);
  return {
    env: {
      BUBU_GRPC_CLIENT_CERT_FILE: paths.cert,
      BUBU_GRPC_CLIENT_KEY_FILE: paths.key,
      BUBU_GRPC_CA_FILE: paths.ca,
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

const address = podAddress();

test("without discovery the peer of BUBU_HUB_ENDPOINT is spoken to by mTLS, and answers with credits", async () => {
  if (address === null) return;
  await using files = await certificates("engrams");
  await using hub = await ScriptHub.start();
  const port = await freePort();
  const settings = { flowControl: { mode: "credits" } };
  await using b = await connectorBed({
    hub: hub.address,
    step: "b",
    settings,
    env: { ...files.env, BUBU_GRPC_PORT: String(port) },
  });
  await using a = await connectorBed({
    hub: `${address}:${port}`,
    step: "a",
    env: { ...files.env, BUBU_GRPC_HUB_SERVER_NAME: "localhost" },
  });
  await using sender = a.engram();
  await using receiver = b.engram();
  await sender.directive(ControlAction.HANDOFF_CUTOVER);
  for (let n = 0; n < 20; n++) sender.send({ payload: { n } });
  const packets = await receiver.packets(20);
  assert.is(packets.length, 20);
  assert.is(a.node.connector.counters.packetsSent, 20);
});

test("a peer of another authority does not get in", async () => {
  if (address === null) return;
  await using files = await certificates("engrams");
  await using foreign = await certificates("strangers");
  await using hub = await ScriptHub.start();
  const port = await freePort();
  await using b = await connectorBed({ hub: hub.address, env: { ...files.env, BUBU_GRPC_PORT: String(port) } });
  await using a = await connectorBed({
    hub: `${address}:${port}`,
    step: "a",
    env: { ...foreign.env, BUBU_GRPC_HUB_SERVER_NAME: "localhost", BUBU_GRPC_HUB_DIAL_TIMEOUT: "1s" },
  });
  const failure = await a.node.failed.catch((error: Error) => error.message);
  assert.match(String(failure), "did not answer within 1000 ms");
  assert.not(a.node.connector.isConnected);
  assert.is(b.node.connector.buffered.downstream, 0);
});

test("an old generation of the same sender is refused, an equal one takes over", async () => {
  await using hub = await ScriptHub.start();
  await using b = await connectorBed({ hub: hub.address, step: "b" });
  await using receiver = b.engram();
  await using second = await connectorBed({ hub: b.node.address, step: "a", generation: 2 });
  await using engram = second.engram();
  engram.send({ payload: { n: 2 } });
  await receiver.packets(1);
  await using first = await connectorBed({
    hub: b.node.address,
    step: "a",
    generation: 1,
    env: { BUBU_GRPC_HUB_DIAL_TIMEOUT: "600ms" },
  });
  await first.node.failed.catch(() => {});
  assert.not(first.node.connector.isConnected);
  await using again = await connectorBed({ hub: b.node.address, step: "a", generation: 2 });
  await eventually("it takes over", () => again.node.connector.isConnected);
  await using newer = again.engram();
  newer.send({ payload: { n: 3 } });
  await receiver.packets(2);
});

test("a generation that takes over at the hub leaves the old one's engram its session", async () => {
  const { serveHub } = await import("../support/serve-hub.ts");
  const { delivery, plan } = await import("../support/fake-plans.ts");
  await using hub = await serveHub(plan(["a>b"], delivery(100)));
  await using first = await connectorBed({ hub: hub.address, step: "a", generation: 1 });
  await using old = first.engram();
  await using b = await connectorBed({ hub: hub.address, step: "b" });
  await using receiver = b.engram();
  await old.directive(ControlAction.HANDOFF_CUTOVER);
  for (let n = 0; n < 10; n++) old.send({ payload: { n } });
  await receiver.packets(10);
  await using second = await connectorBed({ hub: hub.address, step: "a", generation: 2 });
  await using fresh = second.engram();
  const draining = await old.directive(ControlAction.HANDOFF_DRAINING);
  assert.is(draining.metadata["reason"], "hub_recv_failed");
  old.send({ payload: { n: 99 } });
  await fresh.directive(ControlAction.HANDOFF_CUTOVER);
  for (let n = 10; n < 20; n++) fresh.send({ payload: { n } });
  await receiver.packets(20);
  assert.equal([old.dataEnd, old.controlEnd], [null, null]);
  assert.is(hub.edge("a>b").received, 20, "the fenced one's packet waits with it");
  await eventually("the packet waits", () => first.node.connector.buffered.upstream === 1);
});

test.run();
