/** Connectors over the directory cluster: what they report, and edges from connector to connector. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ControlAction } from "../../gen/transport/v1/transport_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { DiscoveryClient } from "../../src/adapters/connector/discovery-client.ts";
import { bindingName } from "../../src/contract/compose.ts";
import type { Resource } from "../../src/contract/resources.ts";
import { type ConnectorBed, connectorBed } from "../support/connector-bed.ts";
import { directoryNode } from "../support/directory-node.ts";
import { eventually } from "../support/eventually.ts";
import { engram, story, storyRun, transport } from "../support/objects.ts";

const test = suite("connector and discovery");

const objects = (steps: readonly string[]): readonly Resource[] => [
  transport("speech"),
  ...steps.map((step) => engram(step.replace(/\[.*/, ""))),
  story("voice", steps),
  storyRun("run", "voice"),
];

/** A directory cluster with a connector beside each step of `steps`. */
async function bed(steps: readonly string[], without: readonly string[] = []) {
  const directory = await directoryNode(objects(steps));
  const { address } = directory.node;
  const names = steps.map((step) => step.replace(/\[.*/, "")).filter((name) => !without.includes(name));
  const start = (step: string, env: Record<string, string> = {}) =>
    connectorBed({
      hub: address,
      step,
      env: { BOBRAVOZ_DISCOVERY_ENDPOINT: address, BUBU_TRANSPORT_BINDING: "", BUBU_HUB_ENDPOINT: "", ...env },
    });
  const beds = new Map<string, ConnectorBed>();
  for (const name of names) beds.set(name, await start(name));
  return {
    directory,
    start,
    at: (name: string) => beds.get(name)!,
    async [Symbol.asyncDispose]() {
      for (const each of beds.values()) await each[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

test("D-049 with somebody to report to, capabilities are required and follow at once", async () => {
  await using t = await bed(["a"]);
  await using a = t.at("a").engram();
  const capabilities = await a.directive(ControlAction.CONNECTOR_CAPABILITIES);
  assert.is(a.control[0]?.metadata["startup.capabilities"], "required");
  assert.is(a.control[1], capabilities);
  assert.equal(capabilities.metadata, { "audio.codec": "pcm16", "binary.mime": "application/json" });
});

test("D-061 the TransportBinding gets Ready and the negotiated codecs once the engram opened Control", async () => {
  await using t = await bed(["a"]);
  const name = bindingName("run", "a");
  const ready = () => t.directory.binding(name)?.status?.conditions?.find(({ type }) => type === "Ready");
  const early = await eventually("the first report", ready);
  assert.equal([early.status, early.reason], ["False", "ConnectorStarting"]);
  assert.is(t.directory.binding(name)?.status?.negotiatedAudio, undefined);
  await using a = t.at("a").engram();
  await a.directive(ControlAction.CONNECTOR_READY);
  await eventually("Ready", () => ready()?.status === "True");
  assert.is(ready()?.reason, "TransportReady");
  const { status } = t.directory.binding(name)!;
  assert.equal([status?.negotiatedAudio?.name, status?.negotiatedBinary], ["pcm16", "application/json"]);
});

test("an edge that is meant direct goes from connector to connector, and its counts are reported", async () => {
  await using t = await bed(["a", "b[a]", "c[b]"]);
  await using a = t.at("a").engram();
  await using b = t.at("b").engram();
  await using c = t.at("c").engram();
  for (let n = 0; n < 100; n++) a.send({ payload: { n }, metadata: { type: "t" } });
  const packets = await b.packets(100, 15_000);
  const number = (each: (typeof packets)[number]) => {
    const value = each.frame.case === "binary" ? each.frame.value.payload : new Uint8Array();
    return JSON.parse(new TextDecoder().decode(value)).payload.n;
  };
  assert.equal(packets.map(number), Array.from({ length: 100 }, (_, n) => n));
  assert.is(packets[0]?.metadata["current-step-id"], "b");
  const [edge] = [...t.at("a").node.connector.router.edges];
  await eventually("all acknowledged", () => edge?.delivered === 100);
  assert.equal([edge?.received, edge?.buffered, edge?.to], [100, 0, "b"]);
  assert.equal(t.directory.node.hub.edges("demo", "run").map(({ received }) => received), [0, 0]);
  const key = { namespace: "demo", storyRun: "run", step: "a" };
  await eventually("the report", () => t.directory.node.reports.facts(key).report?.edges[0]?.delivered === 100n);
  b.send({ payload: { n: 1 } });
  await c.packets(1, 15_000);
});

test("a sender holds its first packet for a receiver that comes late, and then sends it directly", async () => {
  await using t = await bed(["a", "b[a]"], ["b"]);
  await using a = t.at("a").engram();
  a.send({ payload: { n: 1 } });
  await eventually("the packet is held", () => t.at("a").node.connector.buffered.upstream === 1);
  await using late = await t.start("b");
  await using b = late.engram();
  await b.packets(1, 15_000);
  assert.is([...t.at("a").node.connector.router.edges][0]?.received, 1);
  assert.is(t.directory.node.hub.edges("demo", "run")[0]?.received, 0);
});

test("a receiver that goes away leaves its edge to the hub, and nothing that waited is lost", async () => {
  await using t = await bed(["a", "b[a]"], ["b"]);
  await using a = t.at("a").engram();
  const first = await t.start("b");
  const gone = first.engram();
  a.send({ payload: { n: 0 } });
  await gone.packets(1, 15_000);
  const [edge] = [...t.at("a").node.connector.router.edges];
  await eventually("it is acknowledged", () => edge?.delivered === 1);
  await gone[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  for (let n = 1; n <= 20; n++) a.send({ payload: { n } });
  await using second = await t.start("b");
  await using b = second.engram();
  const packets = await b.packets(20, 20_000);
  assert.is(packets.length, 20);
  const hub = t.directory.node.hub.edges("demo", "run")[0];
  assert.is((edge?.received ?? 0) + (hub?.received ?? 0), 21);
});

test("another version of the binding is obeyed without a new session", async () => {
  await using t = await bed(["a", "b[a]"]);
  await using a = t.at("a").engram();
  await a.directive(ControlAction.CONNECTOR_CAPABILITIES);
  const changed = { ...transport("speech"), spec: { ...transport("speech").spec, supportedAudio: [{ name: "opus" }] } };
  await t.directory.write(objects(["a", "b[a]"]).map((each) => each.kind === "Transport" ? changed : each));
  const again = await a.directive(ControlAction.CONNECTOR_CAPABILITIES, 1, 10_000);
  assert.is(again.metadata["audio.codec"], "opus");
  assert.equal([a.dataEnd, a.controlEnd], [null, null]);
  const key = { namespace: "demo", storyRun: "run", step: "a" };
  const { version } = t.at("a").node.connector.binding;
  await eventually("it is acknowledged", () => t.directory.node.reports.facts(key).acked === version);
});

test("a binding that cannot be obeyed is refused with its reason, and the last one stays", async () => {
  await using t = await bed(["a"]);
  const client = new DiscoveryClient({ address: t.directory.node.address, tls: null, clock: systemClock });
  const key = { namespace: "demo", storyRun: "run", step: "a" };
  const watch = client.watch(key, null, {
    changed: () => ({ reason: "DriverUnknown", message: "no such driver" }),
    removed() {},
    ended() {},
  });
  await eventually("the rejection", () => t.directory.node.reports.facts(key).rejection?.reason === "DriverUnknown");
  watch.stop();
  await client.close();
});

test.run();
