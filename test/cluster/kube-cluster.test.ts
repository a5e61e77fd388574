/** The one suite for clusters, over a real API server, and what only an API server can show. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/adapters/clock.ts";
import { apiVersions, type Kind } from "../../src/contract/names.ts";
import type { JsonObject, Resource } from "../../src/contract/resources.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import type { Cluster, ClusterEvent } from "../../src/control/cluster.ts";
import { clusterConformance } from "../cluster-conformance.ts";
import { type Api, type ApiObject, openApi } from "../support/apiserver/api.ts";
import { type Bed, bedPrograms, sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { eventually } from "../support/eventually.ts";
import { within } from "../support/deadline.ts";
import { binding, story, storyRun } from "../support/objects.ts";

/** Loaded where it is needed: the client costs most of a second. */
async function openKube(bed: Bed) {
  const { openKubeApi } = await import("../../src/adapters/cluster/kube/api.ts");
  const { KubeCluster } = await import("../../src/adapters/cluster/kube.ts");
  const kube = await openKubeApi({ kubeconfig: bed.kubeconfig });
  return {
    kube,
    cluster: (namespace: string, log = silentLog) =>
      new KubeCluster({ api: kube, clock: systemClock, log, namespace, seriesMs: 200 }),
  };
}

const shared: { bed: Promise<Bed> | null; api: Api | null } = { bed: null, api: null };

async function opened() {
  const bed = await (shared.bed ??= sharedBed());
  const api = shared.api ??= openApi(bed.kubeconfig);
  return { bed, api, ...await openKube(bed) };
}

/** The suite's names, made its own on a cluster that others use too: its namespace, and names of Transports. */
function renaming(namespace: string) {
  const suffix = `-${namespace}`;
  const isTransport = (kind: Kind) => kind === "Transport";
  const name = (kind: Kind, short: string) => isTransport(kind) ? short + suffix : short;
  return {
    name,
    where: (demo: string) => demo === "demo" ? namespace : demo,
    out<T extends Resource>(object: T): T {
      const { kind, metadata } = object;
      const place = isTransport(kind) ? {} : { namespace };
      return { ...object, metadata: { ...metadata, ...place, name: name(kind, metadata.name) } };
    },
    /** Null for what others made. */
    back(event: ClusterEvent): ClusterEvent | null {
      if (event.type === "synced") return event;
      const { kind, metadata } = event.object;
      if (!isTransport(kind)) {
        if (metadata.namespace !== namespace) return null;
        const object = { ...event.object, metadata: { ...metadata, namespace: "demo" } } as Resource;
        return { ...event, object };
      }
      if (!metadata.name.endsWith(suffix)) return null;
      const object = { ...event.object, metadata: { ...metadata, name: metadata.name.slice(0, -suffix.length) } };
      return { ...event, object: object as Resource };
    },
  };
}

function renamed(cluster: Cluster, names: ReturnType<typeof renaming>): Cluster {
  return {
    watch: (onEvent, signal) =>
      cluster.watch((event) => {
        const own = names.back(event);
        if (own !== null) onEvent(own);
      }, signal),
    create: (object, signal) => cluster.create(names.out(object), signal),
    replace: (object, signal) => cluster.replace(names.out(object), signal),
    delete: (kind, demo, name, signal) => cluster.delete(kind, names.where(demo), names.name(kind, name), signal),
    removeFinalizer: (kind, demo, name, finalizer, signal) =>
      cluster.removeFinalizer(kind, names.where(demo), names.name(kind, name), finalizer, signal),
    applyStatus: (kind, demo, name, manager, status, signal) =>
      cluster.applyStatus(kind, names.where(demo), names.name(kind, name), manager, status, signal),
    recordEvent: (event) => cluster.recordEvent({ ...event, namespace: names.where(event.namespace) }),
  };
}

const withVersion = (object: Resource): ApiObject =>
  ({ apiVersion: apiVersions[object.kind], ...object }) as unknown as ApiObject; // both are objects of the API

const plurals: Partial<Record<Kind, string>> = {
  Story: "stories",
  StoryRun: "storyruns",
  Transport: "transports",
  TransportBinding: "transportbindings",
};

function pathOf(kind: Kind, namespace: string, name: string): string {
  const where = kind === "Transport" ? "" : `/namespaces/${namespace}`;
  return `/apis/${apiVersions[kind]}${where}/${plurals[kind]}/${name}`;
}

if (bedPrograms() !== null) {
  clusterConformance("kubernetes", async () => {
    const { api, kube, cluster } = await opened();
    const namespace = await api.namespace("kube-cluster");
    const names = renaming(namespace);
    return {
      cluster: renamed(cluster(namespace), names),
      put: async (object) => void await api.apply(withVersion(names.out(object)), "kubectl"),
      remove: (kind, demo, name) => api.delete(pathOf(kind, names.where(demo), names.name(kind, name))),
      async close() {
        for (const transport of await api.list("/apis/transport.bubustack.io/v1alpha1/transports")) {
          const { name } = transport.metadata;
          if (name.endsWith(`-${namespace}`)) await api.delete(pathOf("Transport", "", name));
        }
        await api.delete(`/api/v1/namespaces/${namespace}`);
        kube.close();
      },
    };
  });
}

const it = suite("kubernetes cluster");

it.after(async () => {
  shared.api?.[Symbol.dispose]();
  await (await shared.bed)?.[Symbol.asyncDispose]();
});

/** A namespace with one run, and a cluster that watches it. */
async function world() {
  const { api, kube, cluster } = await opened();
  const namespace = await api.namespace("kube-cluster");
  const inNamespace = <T extends Resource>(object: T): T => ({
    ...object,
    metadata: { ...object.metadata, namespace },
  });
  await api.create(withVersion(inNamespace(story("voice", ["a"]))));
  const run = await api.create(withVersion(inNamespace(storyRun("voice-1", "voice")))) as unknown as ReturnType<
    typeof storyRun
  >;
  const stop = new AbortController();
  const events: ClusterEvent[] = [];
  const subject = cluster(namespace);
  const watching = subject.watch((event) => events.push(event), stop.signal);
  await eventually("synced", () => events.some(({ type }) => type === "synced"));
  return {
    api,
    kube,
    namespace,
    run,
    events,
    cluster: subject,
    signal: stop.signal,
    binding: (name: string, step = "a") => inNamespace(binding(name, run, step)),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await within(5_000, "the end of the watch", watching);
      kube.close();
      await api.delete(`/api/v1/namespaces/${namespace}`);
    },
  };
}

testOnCluster(it, "C-109 equal Events are one object with a count, about the object that they name", async () => {
  await using subject = await world();
  const { cluster, namespace, run, api } = subject;
  const event = { kind: "StoryRun", namespace, name: "voice-1", type: "Warning", message: "no such Story" } as const;
  for (let times = 0; times < 5; times += 1) cluster.recordEvent({ ...event, reason: "StoryGetFailed" });
  await cluster.flushEvents(AbortSignal.timeout(10_000));
  for (let times = 0; times < 3; times += 1) cluster.recordEvent({ ...event, reason: "StoryGetFailed" });
  cluster.recordEvent({ ...event, reason: "TransportCleanupFailed" });
  await cluster.flushEvents(AbortSignal.timeout(10_000));
  const all = await api.list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
  const [first] = all.filter(({ reason }) => reason === "StoryGetFailed");
  assert.is(all.length, 2);
  assert.is(first?.["series"].count, 8);
  assert.is(first?.["reportingController"], "transport-reconciler");
  assert.is(first?.["action"], "Reconcile");
  assert.is(first?.["note"], "no such Story");
  assert.is(first?.["regarding"].uid, run.metadata.uid);
  assert.is(all.find(({ reason }) => reason === "TransportCleanupFailed")?.["action"], "Cleanup");
});

testOnCluster(
  it,
  "C-054 a status that is there already costs no request, also for a cluster that has just started",
  async () => {
    await using subject = await world();
    const { cluster, namespace, api, signal } = subject;
    await cluster.create(subject.binding("x"), signal);
    const status: JsonObject = {
      endpoint: "hub:9000",
      conditions: [{
        type: "EndpointResolved",
        status: "True",
        reason: "Any",
        message: "",
        lastTransitionTime: "2026-01-01T00:00:00Z",
      }],
    };
    const apply = (to: Cluster) =>
      to.applyStatus("TransportBinding", namespace, "x", "bobravoz-controller", status, signal);
    await apply(cluster);
    const { metadata: { resourceVersion } } = await api.get(pathOf("TransportBinding", namespace, "x"));
    await apply(cluster);
    assert.is(cluster.counts.savedWrites, 1);
    const { cluster: open } = await opened();
    const other = open(namespace);
    const seen: ClusterEvent[] = [];
    void other.watch((event) => seen.push(event), signal);
    await eventually("synced", () => seen.some(({ type }) => type === "synced"));
    await apply(other);
    assert.is(other.counts.savedWrites, 1);
    const now = await api.get(pathOf("TransportBinding", namespace, "x"));
    assert.is(now.metadata.resourceVersion, resourceVersion);
    await other.applyStatus("TransportBinding", namespace, "x", "bobravoz-controller", { endpoint: "b:1" }, signal);
    const after = await api.get(pathOf("TransportBinding", namespace, "x"));
    assert.equal(after["status"], { endpoint: "b:1" });
  },
);

testOnCluster(it, "a finalizer comes off though another writer changes the list at the same time", async () => {
  await using subject = await world();
  const { cluster, namespace, api, signal, events } = subject;
  const path = pathOf("StoryRun", namespace, "voice-1");
  const finalizers = ["example.com/a", "example.com/ours"];
  await api.patch(path, { metadata: { finalizers } });
  const seen = () =>
    events.some((event) => event.type === "upserted" && event.object.metadata.finalizers?.length === 2);
  await eventually("the finalizers seen", seen);
  // the order changes behind the cluster's back: its patch is refused, and made anew
  await Promise.all([
    api.patch(path, { metadata: { finalizers: [...finalizers].reverse() } }),
    cluster.removeFinalizer("StoryRun", namespace, "voice-1", "example.com/ours", signal),
  ]);
  const left = await api.get(path);
  const isRaced = (left.metadata["finalizers"] as unknown as string[]).includes("example.com/ours");
  if (isRaced) await cluster.removeFinalizer("StoryRun", namespace, "voice-1", "example.com/ours", signal);
  const { metadata } = await api.get(path);
  assert.equal(metadata["finalizers"], ["example.com/a"]);
  await api.patch(path, { metadata: { finalizers: null } });
});

testOnCluster(it, "what the API server refuses is said with its reason", async () => {
  await using subject = await world();
  const { cluster, signal } = subject;
  const bad = subject.binding("bad");
  const refused = await cluster.create({ ...bad, spec: { ...bad.spec, stepName: 5 as never } }, signal)
    .then(() => null, (error) => error);
  assert.is(refused?.reason, "InvalidRequest");
  assert.is(refused?.cause.status, 422);
  const nowhere = { ...bad, metadata: { ...bad.metadata, namespace: "no-such-namespace" } };
  const missing = await cluster.create(nowhere, signal).then(() => null, (error) => error);
  assert.is(missing?.reason, "NotFound");
});

testOnCluster(it, "an object of the same name made again is deleted first, and a late delete spares it", async () => {
  await using subject = await world();
  const { cluster, namespace, api, signal, events } = subject;
  await cluster.create(subject.binding("x"), signal);
  const path = pathOf("TransportBinding", namespace, "x");
  const first = await api.get(path);
  await eventually("seen", () => events.some((event) => uidOf(event) === first.metadata.uid));
  await api.delete(path);
  await api.create(withVersion(subject.binding("x")));
  const second = await api.get(path);
  await eventually("seen again", () => events.some((event) => uidOf(event) === second.metadata.uid));
  const told = events.flatMap((event) =>
    event.type !== "synced" && event.object.metadata.name === "x" ? [`${event.type} ${uidOf(event)}`] : []
  );
  const { metadata: { uid } } = first;
  assert.equal(told, [`upserted ${uid}`, `deleted ${uid}`, `upserted ${second.metadata.uid}`]);
});

testOnCluster(it, "500 writes at once keep to 16 connections", async () => {
  await using subject = await world();
  const { cluster, namespace, kube, signal } = subject;
  let most = 0;
  const look = setInterval(() => most = Math.max(most, kube.sockets), 5);
  try {
    await Promise.all(Array.from({ length: 250 }, async (_, index) => {
      const name = `b-${index}`;
      await cluster.create(subject.binding(name), signal);
      const status = { endpoint: `hub:${index + 1}` };
      await cluster.applyStatus("TransportBinding", namespace, name, "bobravoz-controller", status, signal);
    }));
  } finally {
    clearInterval(look);
  }
  assert.ok(most > 1 && most <= 16, `${most} connections`);
  assert.ok(kube.sockets <= 16);
});

function uidOf(event: ClusterEvent): string | undefined {
  return event.type === "synced" ? undefined : event.object.metadata.uid;
}

it.run();
