/**
 * `npm run bench:control [-- --json FILE --runs N --steps N]`: what the controller costs on a real API server. StoryRuns
 * from cold beside a bare loop of the same writes, a run that arrives in the midst, requests by verb from the audit
 * log, sockets and memory; then a restart and resyncs, which are to write nothing, and one edit that touches many runs.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { mergePublished } from "../src/contract/settings.ts";
import { type Api, type ApiObject, bubuPath, openApi } from "../test/support/apiserver/api.ts";
import { type Bed, bedPrograms, startBed } from "../test/support/apiserver/bed.ts";
import { rssBytes } from "./process-stat.ts";
import { fixed, tableText } from "./report.ts";
import { pathOf } from "./subjects.ts";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    runs: { type: "string", default: "1000" },
    steps: { type: "string", default: "10" },
    /** How long nothing may be written at the end, in seconds; a re-list falls into it. */
    steady: { type: "string", default: "30" },
  },
});
const runs = Number(values.runs);
const steps = Number(values.steps);
const steadySeconds = Number(values.steady);
/** Runs of the Story that is edited. */
const edited = Math.min(100, runs);
const arrivals = 20;
const parallel = 16;
const limitMs = 600_000;
const namespace = "bench";
const bareNamespace = "bare";
const account = "controller";
const bareSettings: unknown = JSON.parse(mergePublished({}, {}));

if (bedPrograms() === null) {
  console.error("no kube-apiserver: npm run tools builds it");
  process.exit(1);
}
await using bed = await startBed();
using api = openApi(bed.kubeconfig);
await prepare(api);
console.log(
  `${runs} StoryRuns of ${steps} steps on a real API server, ${parallel} requests at a time in the bare loop\n`,
);

const bareLoopSeconds = await bareLoop(api);
await pooled(range(runs), (index) => api.create(run(namespace, index)).then(() => {}));
const kubeconfig = await bed.account(namespace, account);

const begunMs = performance.now();
let controller = startController(kubeconfig);
const watching = watchStatuses(bed);
const arriving = arrive(api);
await watching.ready(runs, "run-");
const coldSeconds = (performance.now() - begunMs) / 1000;
const firstBindingMs = (await arriving).sort((a, b) => a - b);
const firstBindingP99Ms = firstBindingMs[Math.ceil(firstBindingMs.length * 0.99) - 1] ?? NaN;
await watching.ready(runs + arrivals);
await quiet(bed);
const requests = requestsOf(bed, 0);
const sockets = socketsOf(controller.pid!);
const rssMb = (rssBytes(controller.pid!) ?? NaN) / 1048576;

// steady: a resync, a restart, a reconnect
const before = linesOf(bed).length;
await stop(controller);
controller = startController(kubeconfig);
await sleep(steadySeconds * 1000);
const steady = requestsOf(bed, before);
const steadyWrites = writesOf(steady);

const beforeEdit = linesOf(bed).length;
const editMs = performance.now();
const story = await api.get(bubuPath("stories", namespace, "edited"));
await api.put(bubuPath("stories", namespace, "edited"), {
  ...story,
  spec: { ...story.spec, transports: [{ ...story.spec.transports[0], settings: { env: { BUBU_DEBUG: "true" } } }] },
});
await watching.settings(edited * steps, "BUBU_DEBUG");
const editSeconds = (performance.now() - editMs) / 1000;
await quiet(bed);
const edit = requestsOf(bed, beforeEdit);
await stop(controller);
watching.close();

console.log(tableText([
  ["figure", "is", "aim"],
  ["cold: all bindings and statuses, s", fixed(coldSeconds, 1), `≤ ${fixed(1.25 * bareLoopSeconds, 1)}`],
  ["bare loop of the same writes, s", fixed(bareLoopSeconds, 1), ""],
  ["cold / bare loop", fixed(coldSeconds / bareLoopSeconds, 2), "≤ 1.25"],
  ["first binding of a run amid the flood, p99 ms", fixed(firstBindingP99Ms, 0), "< 1000"],
  ["writes after a restart and resyncs", String(steadyWrites), "0"],
  ["RSS of the controller, MB", fixed(rssMb, 0), ""],
  ["open sockets of the controller", String(sockets), ""],
  [`one Story edit of ${edited} runs, s`, fixed(editSeconds, 1), ""],
]));
console.log(
  `\nrequests from cold\n${tableText([["", "count"], ...Object.entries(requests).map(([k, n]) => [k, String(n)])])}`,
);
console.log(
  `\nrequests after the restart\n${
    tableText([["", "count"], ...Object.entries(steady).map(([k, n]) => [k, String(n)])])
  }`,
);
console.log(
  `\nrequests of the edit\n${tableText([["", "count"], ...Object.entries(edit).map(([k, n]) => [k, String(n)])])}`,
);
if (values.json !== undefined) {
  const figures = {
    coldSeconds,
    bareLoopSeconds,
    firstBindingP99Ms,
    steadyWrites,
    requests,
    rssMb,
    sockets,
    editSeconds,
  };
  writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

async function pooled(items: readonly number[], work: (index: number) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await Promise.all(
    range(parallel).map(async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
    }),
  );
}

function step(index: number) {
  return { name: `s${index}`, ref: { name: `s${index}` }, ...(index === 0 ? {} : { needs: [`s${index - 1}`] }) };
}

async function prepare(api: Api): Promise<void> {
  for (const name of [namespace, bareNamespace]) {
    await api.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  const rbac = "rbac.authorization.k8s.io/v1";
  await api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: account, namespace } });
  await api.create({
    apiVersion: rbac,
    kind: "ClusterRoleBinding",
    metadata: { name: "bench" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", name: account, namespace }],
  });
  await api.create({
    apiVersion: "transport.bubustack.io/v1alpha1",
    kind: "Transport",
    metadata: { name: "speech" },
    spec: { provider: "bobravoz", driver: "bobravoz-grpc", supportedBinary: ["application/json"] },
  });
  await api.create({
    apiVersion: "catalog.bubustack.io/v1alpha1",
    kind: "EngramTemplate",
    metadata: { name: "template" },
    spec: { version: "1", supportedModes: ["deployment"], image: "example/engram" },
  });
  for (const index of range(steps)) {
    await api.create({
      apiVersion: "bubustack.io/v1alpha1",
      kind: "Engram",
      metadata: { name: `s${index}`, namespace },
      spec: { templateRef: { name: "template" }, mode: "deployment" },
    });
  }
  for (
    const [name, where] of [
      ["voice", namespace],
      ["edited", namespace],
      ["voice", bareNamespace],
      ["edited", bareNamespace],
    ] as const
  ) {
    await api.create({
      apiVersion: "bubustack.io/v1alpha1",
      kind: "Story",
      metadata: { name, namespace: where },
      spec: {
        // what the bare loop writes is nothing to the controller
        pattern: where === namespace ? "realtime" : "batch",
        transports: [{ name: "main", transportRef: "speech" }],
        steps: range(steps).map((index) => ({ ...step(index), transport: "main" })),
      },
    });
  }
}

function run(where: string, index: number, prefix = "run") {
  return {
    apiVersion: "runs.bubustack.io/v1alpha1",
    kind: "StoryRun",
    metadata: { name: `${prefix}-${index}`, namespace: where },
    spec: { storyRef: { name: index < edited && prefix === "run" ? "edited" : "voice" } },
  };
}

/** The writes that the controller will do, without deciding anything: a create and a status for each binding, two statuses for each run. */
async function bareLoop(api: Api): Promise<number> {
  await pooled(range(runs), (index) => api.create(run(bareNamespace, index)).then(() => {}));
  const condition = (type: string, message: string) => ({
    ...{ type, status: "True", reason: "TransportReady", message },
    ...{ lastTransitionTime: "2026-01-01T12:00:00Z", observedGeneration: 1 },
  });
  const begunMs = performance.now();
  await pooled(range(runs), async (index) => {
    for (const step of range(steps)) {
      const object = {
        apiVersion: "transport.bubustack.io/v1alpha1",
        kind: "TransportBinding",
        metadata: { name: `run-${index}-s${step}-transport`, namespace: bareNamespace },
        spec: {
          transportRef: "speech",
          driver: "bobravoz-grpc",
          stepName: `s${step}`,
          engramName: `run-${index}-s${step}`,
          storyRunRef: { name: `run-${index}`, namespace: bareNamespace },
          binary: { direction: "bidirectional", mimeTypes: ["application/json"] },
          connectorEndpoint: "127.0.0.1:50051",
          rawSettings: bareSettings,
        },
      };
      await api.create(object);
      const endpoint = "bobravoz-grpc-hub.bench.svc.cluster.local:9000";
      const message = "p2p: one downstream (rule T-04.6); 1 network hop, decodes nothing";
      const status = { endpoint, conditions: [condition("EndpointResolved", message)] };
      await api.apply({ ...object, spec: undefined, status }, "bobravoz-controller", "status");
    }
    const object = run(bareNamespace, index);
    const status = (type: string) => ({ conditions: [condition(type, "Transport is ready")] });
    await api.apply({ ...object, spec: undefined, status: status("Ready") }, "bobravoz-ready", "status");
    await api.apply({ ...object, spec: undefined, status: status("TransportReady") }, "bobravoz-controller", "status");
  });
  return (performance.now() - begunMs) / 1000;
}

function startController(kubeconfig: string): ChildProcess {
  const child = spawn(process.execPath, [
    pathOf("../src/bin/bobravoz.ts"),
    ...[
      "controller",
      "--kubeconfig",
      kubeconfig,
      "--listen",
      "127.0.0.1:0",
      "--health-probe-bind-address",
      "127.0.0.1:0",
    ],
    ...["--metrics-bind-address", "0", "--config-namespace", namespace, "--zap-log-level", "error"],
  ], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, KUBECONFIG: kubeconfig, BOBRAVOZ_CONTROLLER_BINDINGS: "create", POD_NAMESPACE: namespace },
  });
  child.once("exit", (code) => {
    if (!child.killed && code !== 0) throw new Error(`the controller ended with exit code ${code}`);
  });
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

/** Counts what is done, by lists: a watch of ten thousand objects here would take a core from the controller. */
function watchStatuses(bed: Bed) {
  const reader = openApi(bed.kubeconfig);
  const path = bubuPath("storyruns", namespace);
  const until = async (what: string, holds: () => Promise<boolean>) => {
    for (const deadline = performance.now() + limitMs; !(await holds());) {
      if (performance.now() > deadline) throw new Error(`${what}: not within ${limitMs / 1000} s`);
      await sleep(500);
    }
  };
  return {
    /** Settles once so many runs are ready whose names begin with `prefix`. */
    ready: (count: number, prefix = "") =>
      until(`${count} runs ready`, async () => {
        const ready = (await reader.list(path)).filter(({ metadata, status }) =>
          metadata.name.startsWith(prefix) && status?.conditions?.some((c: { type: string; status: string }) =>
            c.type === "TransportReady" && c.status === "True"
          )
        );
        return ready.length >= count;
      }),
    settings: (count: number, key: string) =>
      until(`${count} bindings with ${key}`, async () => {
        const bindings = await reader.list(bubuPath("transportbindings", namespace));
        return bindings.filter(({ spec }) => spec.rawSettings?.env?.[key] !== undefined).length >= count;
      }),
    close: () => reader[Symbol.dispose](),
  };
}

/** Runs that come while the flood is worked off: milliseconds from each one's creation to its first binding. */
async function arrive(api: Api): Promise<number[]> {
  await api.until(bubuPath("transportbindings", namespace, "run-0-s0-transport"), (o) => o !== undefined, limitMs);
  const times: number[] = [];
  for (const index of range(arrivals)) {
    const begunMs = performance.now();
    await api.create(run(namespace, index, "late"));
    await api.until(
      bubuPath("transportbindings", namespace, `late-${index}-s0-transport`),
      (o) => o !== undefined,
      limitMs,
    );
    times.push(performance.now() - begunMs);
    await sleep(200);
  }
  return times;
}

function linesOf(bed: Bed): readonly string[] {
  return readFileSync(bed.auditLog!, "utf8").split("\n");
}

/** Requests of the controller from a line of the audit log on, by verb and resource. */
function requestsOf(bed: Bed, from: number): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const line of linesOf(bed).slice(from)) {
    if (!line.includes(`system:serviceaccount:${namespace}:${account}`)) continue;
    const { stage, verb, objectRef: ref } = JSON.parse(line) as ApiObject;
    if (stage !== "ResponseComplete" && !(verb === "watch" && stage === "ResponseStarted")) continue;
    if (verb === "watch" && stage === "ResponseComplete") continue;
    const name = `${verb} ${ref?.resource ?? "(other)"}${ref?.subresource === undefined ? "" : `/${ref.subresource}`}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort());
}

/** All that change objects, but for the renewals of the Lease. */
function writesOf(requests: Readonly<Record<string, number>>): number {
  return Object.entries(requests).filter(([name]) => !/^(get|list|watch) |leases$/.test(name))
    .reduce((sum, [, count]) => sum + count, 0);
}

/** Settles when the controller has written nothing for two seconds. */
async function quiet(bed: Bed): Promise<void> {
  for (let last = -1, now = writesOf(requestsOf(bed, 0)); last !== now; now = writesOf(requestsOf(bed, 0))) {
    last = now;
    await sleep(2000);
  }
}

function socketsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith("socket:");
    } catch {
      return false; // closed meanwhile
    }
  }).length;
}
