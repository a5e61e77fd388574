/** A `KubeCluster` that meets its API server through a proxy which fails as it is told, and the truth beside it. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/adapters/clock.ts";
import { apiVersions } from "../../../src/contract/names.ts";
import type { Resource, StoryRun, TransportBinding } from "../../../src/contract/resources.ts";
import { silentLog } from "../../../src/contract/runtime.ts";
import { MemoryWorld } from "../../../src/control/world.ts";
import { Signal, within } from "../deadline.ts";
import { binding, storyRun } from "../objects.ts";
import { type Api, type ApiObject, openApi } from "./api.ts";
import type { Bed } from "./bed.ts";
import { type Fault, type FaultProxy, faultProxy } from "./faults.ts";

export interface Asked {
  readonly method: string;
  readonly url: string;
}

/** One bed, one proxy, and a cluster that watches one namespace through it. */
export interface Ground extends AsyncDisposable {
  readonly bed: Bed;
  readonly api: Api;
  readonly proxy: FaultProxy;
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly run: StoryRun;
  readonly asked: Asked[];
  /** What is done to each request from now on. */
  fault: (request: Asked) => Fault | undefined;
}

export const bindings = "/transportbindings";
export const isWatch = ({ url }: Asked) => url.includes("watch=true");
export const isWrite = ({ method }: Asked) => method !== "GET";

/** Opens one, with an account of its own; the API server is behind `bed`. */
export async function openGround(bed: Bed): Promise<Ground> {
  const api = openApi(bed.kubeconfig);
  const namespace = await api.namespace("faults");
  await api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "subject", namespace } });
  await api.create({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: `subject-${namespace}` },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", name: "subject", namespace }],
  });
  const run = await api.create(
    withVersion({ ...storyRun("voice-1", "voice"), metadata: { name: "voice-1", namespace } }),
  );
  const asked: Asked[] = [];
  const made = { fault: (() => undefined) as Ground["fault"] };
  const proxy = await faultProxy(bed, (request) => {
    asked.push(request);
    return made.fault(request);
  });
  const kubeconfig = join(tmpdir(), `bobravoz-${namespace}.yaml`);
  const account = readFileSync(await bed.account(namespace, "subject"), "utf8");
  writeFileSync(kubeconfig, account.replaceAll(bed.server, proxy.server), { mode: 0o600 });
  return Object.assign(made, {
    bed,
    api,
    proxy,
    kubeconfig,
    namespace,
    run: run as unknown as StoryRun, // it is one
    asked,
    async [Symbol.asyncDispose]() {
      rmSync(kubeconfig, { force: true });
      await proxy[Symbol.asyncDispose]();
      await api.delete(`/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/subject-${namespace}`);
      await api.delete(`/api/v1/namespaces/${namespace}`);
      api[Symbol.dispose]();
      await bed[Symbol.asyncDispose]();
    },
  });
}

/** These faults for the watches of bindings, one after the other, then none. */
export function toWatches(...faults: Fault[]): Ground["fault"] {
  return (request) => isWatch(request) && request.url.includes(bindings) ? faults.shift() : undefined;
}

/** Ends the watch with the first event. */
export const atFirstEvent: Fault = { cut: 1 };

/** A cluster under test with what it has told, and the truth beside it. */
export async function openSubject(
  at: Ground,
  options: { readonly answerLimitMs?: number; readonly fault?: Ground["fault"] } = {},
) {
  at.fault = options.fault ?? (() => undefined);
  at.asked.length = 0;
  const { openKubeApi } = await import("../../../src/adapters/cluster/kube/api.ts");
  const { KubeCluster } = await import("../../../src/adapters/cluster/kube.ts");
  const kube = await openKubeApi({ kubeconfig: at.kubeconfig, ...options });
  const cluster = new KubeCluster({ api: kube, clock: systemClock, log: silentLog, namespace: at.namespace });
  const world = new MemoryWorld();
  const changed = new Signal();
  const stop = new AbortController();
  const told = { synced: 0, versions: new Set<string>(), repeated: 0 };
  const watching = cluster.watch((event) => {
    if (event.type === "synced") told.synced += 1;
    else {
      const { kind, metadata: { namespace, name, uid, resourceVersion } } = event.object;
      const key = `${event.type} ${uid} ${resourceVersion}`;
      if (told.versions.has(key)) told.repeated += 1;
      told.versions.add(key);
      if (event.type === "upserted") world.upsert(event.object);
      else world.remove(kind, namespace, name);
    }
    changed.notify();
  }, stop.signal);
  const path = (name?: string) =>
    `/apis/${apiVersions.TransportBinding}/namespaces/${at.namespace}${bindings}${
      name === undefined ? "" : `/${name}`
    }`;
  const known = () =>
    world.list("TransportBinding", at.namespace).map(({ metadata: { name, uid, resourceVersion } }) =>
      `${name} ${uid} ${resourceVersion}`
    ).sort();
  return {
    at,
    kube,
    cluster,
    told,
    signal: stop.signal,
    path,
    object: (name: string): TransportBinding => {
      const made = binding(name, at.run, "a");
      return { ...made, metadata: { ...made.metadata, namespace: at.namespace } };
    },
    synced: () => changed.until("synced", () => told.synced === 1, 15_000),
    until: (what: string, holds: () => boolean, ms = 15_000) => changed.until(what, holds, ms),
    /** Settles when the world is what the API server lists, with the milliseconds that it took. */
    async converged(): Promise<number> {
      const startMs = performance.now();
      const truth = (await at.api.list(path())).map(({ metadata: { name, uid, resourceVersion } }) =>
        `${name} ${uid} ${resourceVersion}`
      ).sort().join();
      await changed.until("the world is the API server's", () => known().join() === truth, 20_000);
      return Math.round(performance.now() - startMs);
    },
    async [Symbol.asyncDispose]() {
      at.fault = () => undefined;
      stop.abort();
      await within(5_000, "the end of the watch", watching);
      await at.api.delete(path()).catch(() => {}); // the next test has names of its own
      kube.close();
    },
  };
}

/** As the work queue does: until it succeeds. */
export async function retried(write: () => Promise<void>, tries = 20): Promise<number> {
  for (let failures = 0;; failures += 1) {
    try {
      await write();
      return failures;
    } catch (error) {
      if (failures === tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

export function withVersion(object: Resource): ApiObject {
  return { apiVersion: apiVersions[object.kind], ...object } as unknown as ApiObject; // both are objects of the API
}
