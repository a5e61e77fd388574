/** The bindings that the controller makes itself, on a real API server: both strategies side by side, and their end. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/adapters/clock.ts";
import { annotations, apiVersions, finalizers } from "../../src/contract/names.ts";
import type { Condition, Resource } from "../../src/contract/resources.ts";
import type { Log } from "../../src/contract/runtime.ts";
import { Control } from "../../src/control/loop.ts";
import { bubuPath, openApi } from "../support/apiserver/api.ts";
import { sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { within } from "../support/deadline.ts";
import { engram, story, storyRun, transport } from "../support/objects.ts";

const it = suite("bindings of ours on a real API server");
const hub = "hub-0.hubs.system.svc.cluster.local:9000";

testOnCluster(it, "C-068 PerStory and PerStoryRun side by side: made, ready, and gone with their runs", async () => {
  await using bed = await sharedBed();
  using api = openApi(bed.kubeconfig);
  const namespace = await api.namespace("strategies");
  const speech = `speech-${namespace}`;
  const here = (object: Resource) => ({
    ...object,
    apiVersion: apiVersions[object.kind],
    metadata: { ...object.metadata, ...(object.kind === "Transport" ? {} : { namespace }) },
  });
  const of = (name: string, strategy: string) => {
    const object = here(story(name, ["a", "b[a]"])) as unknown as { spec: object; metadata: object };
    const metadata = { ...object.metadata, annotations: { [annotations.strategy]: strategy } };
    return { ...object, metadata, spec: { ...object.spec, transports: [{ name: "main", transportRef: speech }] } };
  };
  await api.create(here(transport(speech)));
  for (const object of [here(engram("a")), here(engram("b")), of("shared", "PerStory"), of("own", "PerStoryRun")]) {
    await api.create(object);
  }
  for (const run of [storyRun("shared-1", "shared"), storyRun("shared-2", "shared"), storyRun("own-1", "own")]) {
    await api.create(here(run));
  }
  const { openKubeApi } = await import("../../src/adapters/cluster/kube/api.ts");
  const { KubeCluster } = await import("../../src/adapters/cluster/kube.ts");
  const kube = await openKubeApi({ kubeconfig: bed.kubeconfig });
  const warnings: string[] = [];
  const warn: Log["warn"] = (message, fields) => void warnings.push(`${message} ${JSON.stringify(fields)}`);
  const log: Log = { debug() {}, info() {}, warn, error: warn };
  const cluster = new KubeCluster({ api: kube, clock: systemClock, log, namespace, seriesMs: 100 });
  const decide = { hubEndpoint: () => hub };
  const loop = new Control({ cluster, clock: systemClock, log, bindings: "create", decide });
  const stop = new AbortController();
  const running = loop.run(stop.signal);
  const names = async () =>
    (await api.list(bubuPath("transportbindings", namespace))).map((b) => b.metadata.name).sort();
  try {
    await within(10_000, "the first list", loop.synced);
    for (const run of ["shared-1", "shared-2", "own-1"]) {
      await api.until(bubuPath("storyruns", namespace, run), (object) => {
        const conditions = (object?.status?.conditions ?? []) as readonly Condition[];
        return ["Ready", "TransportReady"].every((type) =>
          conditions.some((each) => each.type === type && each.status === "True")
        );
      });
    }
    assert.equal(await names(), [
      "own-1-a-transport",
      "own-1-b-transport",
      "shared-a-story-transport",
      "shared-b-story-transport",
    ]);
    const shared = await api.get(bubuPath("transportbindings", namespace, "shared-a-story-transport"));
    assert.is(shared["spec"].storyRunRef, undefined);
    assert.is(shared["status"].endpoint, hub);
    const owners = shared.metadata["ownerReferences"] as unknown as readonly { kind: string; name: string }[];
    assert.equal(owners.map(({ kind, name }) => `${kind} ${name}`), ["Story shared"]);
    // Two runs that share a binding do not write against each other.
    const version = shared.metadata.resourceVersion;
    await api.patch(bubuPath("storyruns", namespace, "shared-1"), { metadata: { labels: { touched: "yes" } } });
    await api.patch(bubuPath("storyruns", namespace, "shared-2"), { metadata: { labels: { touched: "yes" } } });
    await api.patch(bubuPath("storyruns", namespace, "own-1"), { metadata: { finalizers: [finalizers.hub] } });
    await api.delete(bubuPath("storyruns", namespace, "own-1"));
    await api.until(bubuPath("storyruns", namespace, "own-1"), (object) => object === undefined);
    for (const name of ["own-1-a-transport", "own-1-b-transport"]) {
      await api.until(bubuPath("transportbindings", namespace, name), (object) => object === undefined);
    }
    const again = await api.get(bubuPath("transportbindings", namespace, "shared-a-story-transport"));
    assert.is(again.metadata.resourceVersion, version);
    await api.delete(bubuPath("storyruns", namespace, "shared-1"));
    await api.until(bubuPath("storyruns", namespace, "shared-1"), (object) => object === undefined);
    assert.is((await names()).length, 2);
    await api.delete(bubuPath("storyruns", namespace, "shared-2"));
    for (const name of ["shared-a-story-transport", "shared-b-story-transport"]) {
      await api.until(bubuPath("transportbindings", namespace, name), (object) => object === undefined);
    }
    assert.equal(warnings, []);
  } finally {
    stop.abort();
    await within(10_000, "the loop settles", running);
    kube.close();
    await api.delete(bubuPath("transports", namespace, speech)).catch(() => null);
  }
});

it.run();
