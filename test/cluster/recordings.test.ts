/** The controller on objects that the published operators wrote, loaded onto a real API server. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/adapters/clock.ts";
import { apiVersions, finalizers, type Kind } from "../../src/contract/names.ts";
import type { Condition, JsonObject, ObjectMeta, Resource } from "../../src/contract/resources.ts";
import type { Log } from "../../src/contract/runtime.ts";
import { Control } from "../../src/control/loop.ts";
import { type Api, type ApiObject, openApi, pathOf } from "../support/apiserver/api.ts";
import { sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { within } from "../support/deadline.ts";
import { objectsAt, recordingsFolder } from "../support/recordings.ts";

const it = suite("recordings on a real API server");
const hub = "bobravoz-grpc-hub-0.bobravoz-grpc-hub-pods.bobrapet-system.svc.cluster.local:9000";

// Owners before what they own.
const order: readonly Kind[] = [
  "EngramTemplate",
  "Transport",
  "Engram",
  "Story",
  "StoryRun",
  "StepRun",
  "TransportBinding",
];
const clusterScoped: ReadonlySet<Kind> = new Set(["EngramTemplate", "Transport"]);

/** Scenario, moment, and what we come to say of its runs. */
const cases: readonly (readonly [scenario: string, moment: string, verdicts: Readonly<Record<string, string>>])[] = [
  ["01-direct-pair", "objects-running", { "voice-run-7": "False NotSupported" }],
  ["02-hub-between", "objects", { "support-run-1": "False NotSupported" }],
  ["04-strategies-and-two-runs", "objects", { "new-a": "True TransportReady", "new-b": "True TransportReady" }],
  ["05-several-transports", "objects", { "desk-run-1": "False NotSupported" }],
  ["07-our-controller-writes", "objects", { "voice-1": "True TransportReady" }],
  [
    "08-binding-made-first",
    "objects-before-connectors",
    {
      exact: "True TransportReady",
      "exact-other-settings": "True TransportReady",
      "other-driver": "True TransportReady",
      "other-transport": "True TransportReady",
      owned: "True TransportReady",
    },
  ],
  ["12-deletion-and-finalizers", "objects-after-steprun-delete", { "voice-1": "False Reconciling" }],
  ["12-deletion-and-finalizers", "objects-terminating", {}],
  ["18-both-operators", "objects-before-connectors", { "voice-1": "False NotSupported" }],
];

/** Loads the objects under names of their own; the path of each by its recorded key. */
async function load(api: Api, namespace: string, objects: readonly Resource[]): Promise<readonly string[]> {
  const uids = new Map<string, string>();
  const paths: string[] = [];
  for (const object of [...objects].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))) {
    const text = [...uids].reduce(
      (json, [old, fresh]) => json.replaceAll(`"${old}"`, `"${fresh}"`),
      JSON.stringify(object),
    )
      .replaceAll('"namespace":"demo"', `"namespace":"${namespace}"`)
      .replace(/"(transportRef|templateRef)":(\{"name":)?"([^"]+)"/g, `"$1":$2"$3-${namespace}"`);
    const { kind, metadata, spec, status } = JSON.parse(text) as {
      kind: Kind;
      metadata: ObjectMeta;
      spec: JsonObject;
      status?: JsonObject;
    };
    const own = clusterScoped.has(kind);
    const { labels, annotations, ownerReferences, finalizers } = metadata;
    const body = {
      apiVersion: apiVersions[kind],
      kind,
      metadata: {
        name: own ? `${metadata.name}-${namespace}` : metadata.name,
        ...own ? {} : { namespace },
        labels,
        annotations,
        ownerReferences,
        // Nobody is there who would take those of the workflow operator away.
        finalizers: finalizers?.filter((each) => each !== "story.bubustack.io/finalizer"),
      },
      spec,
    };
    const made = await api.create(body);
    if (metadata.uid !== undefined) uids.set(metadata.uid, made.metadata.uid!);
    const path = pathOf(made, true);
    paths.push(path);
    if (status !== undefined) await api.patch(`${path}/status?fieldManager=bobrapet`, { status });
    if (metadata.deletionTimestamp !== undefined) await api.delete(path);
  }
  return paths;
}

/** Settles once `look` finds what it looks for. */
async function until(what: string, look: () => Promise<boolean>, ms = 15_000): Promise<void> {
  const endMs = performance.now() + ms;
  while (!await look()) {
    if (performance.now() > endMs) throw new Error(`${what} did not happen within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What of an object is not ours: all but the address and our conditions. */
function theirs(object: ApiObject): JsonObject {
  const { metadata, spec, status = {} } = object;
  const { endpoint: _, conditions = [], ...rest } = status;
  const { name, labels, annotations, ownerReferences, uid, generation } = metadata as unknown as
    & ObjectMeta
    & JsonObject;
  const others = (conditions as Condition[]).filter(({ type }) =>
    type !== "EndpointResolved" && type !== "TransportReady"
  );
  const kept = (metadata as unknown as ObjectMeta).finalizers?.filter((each) => each !== finalizers.hub) ?? [];
  return JSON.parse(JSON.stringify({
    ...{ name, labels, annotations, ownerReferences, uid, generation, kept, spec, others },
    status: object.kind === "TransportBinding" ? rest : status.endpoint === undefined ? rest : status,
  }));
}

for (const [scenario, moment, verdicts] of cases) {
  testOnCluster(
    it,
    `${scenario}, ${moment}: no write of ours is refused, and nothing of theirs is changed`,
    async () => {
      const folder = recordingsFolder();
      if (folder === null) return console.log("recordings are not there: BOBRAVOZ_TEST_RECORDINGS names their folder");
      await using bed = await sharedBed();
      using api = openApi(bed.kubeconfig);
      const namespace = await api.namespace("recorded");
      const paths = await load(api, namespace, objectsAt(folder, scenario, moment));
      const before = new Map(
        await Promise.all(paths.map(async (path) => [path, theirs(await api.get(path))] as const)),
      );
      const { openKubeApi } = await import("../../src/adapters/cluster/kube/api.ts");
      const { KubeCluster } = await import("../../src/adapters/cluster/kube.ts");
      const kube = await openKubeApi({ kubeconfig: bed.kubeconfig });
      const warnings: string[] = [];
      const warn: Log["warn"] = (message, fields) => {
        // what a Story may not ask for is told, not refused by the API server
        if (!message.startsWith("run refused")) warnings.push(`${message} ${JSON.stringify(fields)}`);
      };
      const log: Log = { debug() {}, info() {}, warn, error: warn };
      const control = async (until: () => Promise<void>) => {
        const stop = new AbortController();
        const cluster = new KubeCluster({ api: kube, clock: systemClock, log, namespace, seriesMs: 100 });
        const decide = { hubEndpoint: () => hub };
        const loop = new Control({ cluster, clock: systemClock, log, bindings: "wait", decide });
        const running = loop.run(stop.signal);
        await within(10_000, "the first list", loop.synced);
        await until();
        await cluster.flushEvents(AbortSignal.timeout(10_000));
        stop.abort();
        await within(10_000, "the loop settles", running);
      };
      const all = (group: string, plural: string) =>
        api.list(`/apis/${group}.bubustack.io/v1alpha1/namespaces/${namespace}/${plural}`);
      const isHeldByUs = ({ metadata }: ApiObject) =>
        metadata["deletionTimestamp"] !== undefined &&
        ((metadata as unknown as ObjectMeta).finalizers ?? []).includes(finalizers.hub);
      const states = async () => {
        const runs = (await all("runs", "storyruns")).filter(({ metadata }) => !("deletionTimestamp" in metadata));
        return Object.fromEntries(runs.map((run) => {
          const found = (run.status?.conditions as Condition[] | undefined)?.find(({ type }) =>
            type === "TransportReady"
          );
          return [run.metadata.name, `${found?.status} ${found?.reason}`];
        }));
      };
      const endpoints = async () =>
        (await all("transport", "transportbindings")).map(({ status }) => status?.endpoint as string | undefined);
      try {
        await control(async () => {
          await until("what we say of the runs", async () => {
            const [seen, runs, addresses] = [await states(), await all("runs", "storyruns"), await endpoints()];
            const isSaid = Object.entries(verdicts).every(([run, verdict]) => seen[run] === verdict);
            const isDecided = Object.values(verdicts).some((verdict) => verdict !== "False NotSupported");
            return isSaid && !runs.some(isHeldByUs) && (!isDecided || addresses.every((each) => each === hub));
          });
          assert.equal(await states(), verdicts);
        });
        const versions = () =>
          Promise.all(
            paths.map((path) => api.get(path).then(({ metadata }) => metadata.resourceVersion, () => "gone")),
          );
        for (const path of paths) {
          const now = await api.get(path).catch(() => null);
          const was = before.get(path)!;
          // a run that had nothing left but the finalizer of an older hub operator
          if (now === null) assert.ok(moment === "objects-terminating" && path.includes("/storyruns/"), path);
          else assert.equal(theirs(now), was, path);
        }
        const written = await versions();
        await control(() => new Promise((resolve) => setTimeout(resolve, 500)));
        assert.equal(await versions(), written);
        assert.equal(warnings, []);
      } finally {
        kube.close();
        for (const path of paths) {
          if (path.includes("/namespaces/")) {
            await api.patch(path, { metadata: { finalizers: null } }).catch(() => null);
          }
          await api.delete(path).catch(() => null);
        }
      }
    },
  );
}

it.run();
