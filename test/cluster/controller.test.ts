/** `bobravoz controller` as processes on a real API server. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/adapters/clock.ts";
import { DiscoveryClient } from "../../src/adapters/connector/discovery-client.ts";
import { type Api, bubuPath, openApi } from "../support/apiserver/api.ts";
import { type Bed, sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { faultProxy } from "../support/apiserver/faults.ts";
import { type ControllerProcess, failingController, startController } from "../support/controller-process.ts";
import { within } from "../support/deadline.ts";

const it = suite("controller on a cluster");

const configName = "bobravoz-grpc-operator-config";
const election = [
  "--leader-elect",
  ...["--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=300ms"],
];

/** A namespace with an account for each replica, a Transport of its own, and a Story of two steps. */
class Ground implements AsyncDisposable {
  readonly bed: Bed;
  readonly api: Api;
  readonly namespace: string;
  #controllers: ControllerProcess[] = [];

  static async open(data: Readonly<Record<string, string>> = {}): Promise<Ground> {
    const bed = await sharedBed();
    const api = openApi(bed.kubeconfig);
    const namespace = await api.namespace("controller");
    const ground = new Ground(bed, api, namespace);
    await ground.#prepare(data);
    return ground;
  }

  private constructor(bed: Bed, api: Api, namespace: string) {
    this.bed = bed;
    this.api = api;
    this.namespace = namespace;
  }

  async #prepare(data: Readonly<Record<string, string>>): Promise<void> {
    const { api, namespace } = this;
    const rule = (group: string, resources: readonly string[], ...verbs: readonly string[]) => ({
      apiGroups: [group],
      resources,
      verbs,
    });
    const rules = [
      rule("bubustack.io", ["stories", "engrams"], "get", "list", "watch"),
      rule("catalog.bubustack.io", ["engramtemplates"], "get", "list", "watch"),
      rule("runs.bubustack.io", ["storyruns", "stepruns"], "get", "list", "watch", "patch"),
      rule("runs.bubustack.io", ["storyruns/status"], "get", "patch"),
      rule("transport.bubustack.io", ["transports"], "get", "list", "watch"),
      rule("transport.bubustack.io", ["transportbindings"], "get", "list", "watch", "create", "patch", "delete"),
      rule("transport.bubustack.io", ["transportbindings/status"], "get", "patch"),
      rule("events.k8s.io", ["events"], "create", "patch"),
      rule("", ["configmaps"], "list", "watch"),
      rule("coordination.k8s.io", ["leases"], "create", "get", "update"),
      rule("", ["pods", "nodes"], "get", "list", "watch"),
      rule("", ["pods/status"], "patch"),
      rule("apps", ["statefulsets"], "get", "list", "watch"),
      rule("authentication.k8s.io", ["tokenreviews"], "create"),
      rule("authorization.k8s.io", ["subjectaccessreviews"], "create"),
      { nonResourceURLs: ["/metrics"], verbs: ["get"] },
    ];
    const rbac = "rbac.authorization.k8s.io/v1";
    await api.create({ apiVersion: rbac, kind: "ClusterRole", metadata: { name: namespace }, rules });
    await api.create({
      apiVersion: rbac,
      kind: "ClusterRoleBinding",
      metadata: { name: namespace },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: namespace },
      subjects: ["one", "two"].map((name) => ({ kind: "ServiceAccount", name, namespace })),
    });
    for (const name of ["one", "two"]) {
      await api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } });
    }
    const metadata = { name: configName, namespace };
    const settings = { "controller.bindings": "create", ...data };
    await api.create({ apiVersion: "v1", kind: "ConfigMap", metadata, data: settings });
    await api.create({
      apiVersion: "transport.bubustack.io/v1alpha1",
      kind: "Transport",
      metadata: { name: namespace },
      spec: { provider: "bobravoz", driver: "bobravoz-grpc", supportedBinary: ["application/json"] },
    });
    for (const name of ["mic", "writer"]) {
      await api.create({
        apiVersion: "bubustack.io/v1alpha1",
        kind: "Engram",
        metadata: { name, namespace },
        spec: { templateRef: { name: "any" }, mode: "deployment" },
      });
    }
    await api.create({
      apiVersion: "bubustack.io/v1alpha1",
      kind: "Story",
      metadata: { name: "voice", namespace },
      spec: {
        pattern: "realtime",
        transports: [{ name: "main", transportRef: namespace }],
        steps: [
          { name: "mic", ref: { name: "mic" }, transport: "main" },
          { name: "writer", ref: { name: "writer" }, needs: ["mic"], transport: "main" },
        ],
      },
    });
  }

  async controller(account: "one" | "two", more: Partial<Parameters<typeof startController>[0]> = {}) {
    const { namespace } = this;
    const started = await startController({
      kubeconfig: more.kubeconfig ?? await this.bed.account(namespace, account),
      args: [`--config-namespace=${namespace}`, `--watch-namespace=${namespace}`, ...more.args ?? []],
      env: { POD_NAMESPACE: namespace, ...more.env },
    });
    this.#controllers.push(started);
    return started;
  }

  async run(name: string): Promise<void> {
    await this.api.create({
      apiVersion: "runs.bubustack.io/v1alpha1",
      kind: "StoryRun",
      metadata: { name, namespace: this.namespace },
      spec: { storyRef: { name: "voice" } },
    });
  }

  /** Settles once the run's transport is ready, with what its bindings have as endpoints. */
  async ready(name: string, ms = 10_000): Promise<readonly string[]> {
    const { api, namespace } = this;
    await api.until(
      bubuPath("storyruns", namespace, name),
      (run) =>
        run?.status?.conditions?.some((each: { type: string; status: string }) =>
          each.type === "TransportReady" && each.status === "True"
        ),
      ms,
    );
    const bindings = await api.list(bubuPath("transportbindings", namespace));
    return bindings.filter(({ spec }) => spec.storyRunRef.name === name).map(({ status }) => status.endpoint);
  }

  configure(data: Readonly<Record<string, string>>) {
    const path = `/api/v1/namespaces/${this.namespace}/configmaps/${configName}`;
    return this.api.patch(path, { data });
  }

  /** Writes by account since `from`, those of the lease and the reviews left out. */
  writes(from: number): Readonly<Record<"one" | "two", number>> {
    const counts = { one: 0, two: 0 };
    const text = readFileSync(this.bed.auditLog!).subarray(from).toString();
    for (const line of text.split("\n")) {
      if (!line.includes(`:${this.namespace}:`) || !line.includes("ResponseComplete")) continue;
      const { user, verb, objectRef } = JSON.parse(line);
      const account = user.username.split(":").at(-1) as "one" | "two"; // no others are made here
      const isOther = ["leases", "tokenreviews", "subjectaccessreviews"].includes(objectRef?.resource);
      if (!isOther && ["create", "update", "patch", "delete"].includes(verb)) counts[account]++;
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { api, namespace, bed } = this;
    await Promise.all(this.#controllers.map((each) => each[Symbol.asyncDispose]()));
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    await api.delete(`${rbac}/clusterrolebindings/${namespace}`);
    await api.delete(`${rbac}/clusterroles/${namespace}`);
    await api.delete(bubuPath("transports", "", namespace));
    await api.delete(`/api/v1/namespaces/${namespace}`);
    api[Symbol.dispose]();
    await bed[Symbol.asyncDispose]();
  }
}

async function endpointOf(controller: ControllerProcess, namespace: string, storyRun: string, step: string) {
  const client = new DiscoveryClient({ address: controller.address, tls: null, clock: systemClock });
  try {
    const binding = await client.get({ namespace, storyRun, step }, 5_000);
    return [binding.hubEndpoint, binding.transportBinding];
  } finally {
    client.close();
  }
}

testOnCluster(
  it,
  "C-104 of two replicas one writes a run to TransportReady, and both answer discovery alike",
  async () => {
    await using ground = await Ground.open();
    const { namespace } = ground;
    const from = statSync(ground.bed.auditLog!).size;
    const [one, two] = await Promise.all([
      ground.controller("one", { args: election }),
      ground.controller("two", { args: election }),
    ]);
    await ground.run("call");
    const address = `bobravoz-grpc-hub.${namespace}.svc.cluster.local:9000`;
    assert.equal(await ground.ready("call"), [address, address]);
    for (const step of ["mic", "writer"]) {
      const [endpoint, env] = await endpointOf(one, namespace, "call", step);
      assert.is(endpoint, address);
      assert.equal(await endpointOf(two, namespace, "call", step), [endpoint, env]);
    }
    const isReady = async (each: ControllerProcess) => (await fetch(`${each.probes}/readyz`)).status;
    assert.equal(await Promise.all([one, two].map(isReady)), [200, 200]);
    await pause(500);
    const { one: ofOne, two: ofTwo } = ground.writes(from);
    assert.ok(ofOne + ofTwo > 0);
    assert.is(Math.min(ofOne, ofTwo), 0, `one wrote ${ofOne}, two ${ofTwo}`);
  },
);

testOnCluster(
  it,
  "C-104 a leader that is stopped hands over at once, and one that is killed within the lease time",
  async () => {
    await using ground = await Ground.open();
    const one = await ground.controller("one", { args: election });
    await one.logged("leads");
    const two = await ground.controller("two", { args: election });
    const stoppedMs = performance.now();
    assert.is(await one.stop("SIGTERM"), 0);
    await two.logged("leads", 2_000);
    console.log(`stopped in order: another leads after ${Math.round(performance.now() - stoppedMs)} ms`);
    await ground.run("after-stop");
    assert.is((await ground.ready("after-stop")).length, 2);
    const three = await ground.controller("one", { args: election });
    const killedMs = performance.now();
    await two.stop("SIGKILL");
    // while nobody leads, discovery of the other replica answers all the same
    assert.ok((await endpointOf(three, ground.namespace, "after-stop", "mic"))[0]);
    await three.logged("leads", 5_000);
    const tookMs = performance.now() - killedMs;
    console.log(`killed: another leads after ${Math.round(tookMs)} ms of a lease of 3000 ms`);
    assert.ok(tookMs < 4_000, `${tookMs} ms`);
    await ground.run("after-kill");
    assert.is((await ground.ready("after-kill")).length, 2);
  },
);

testOnCluster(
  it,
  "what a ConfigMap changes is obeyed at once, or is said once in the log and in a condition of the pod",
  async () => {
    await using ground = await Ground.open({ "controller.bindings": "wait", "hub.max-buffers": "many" });
    const { api, namespace } = ground;
    await api.create({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "manager", namespace },
      spec: { containers: [{ name: "manager", image: "none" }] },
    });
    const controller = await ground.controller("one", { env: { POD_NAME: "manager" } });
    const named = controller.lines.filter(({ message }) => message === "configuration ignored");
    assert.is(named.length, 1);
    assert.match(String(named[0]!["fault"]), "hub.max-buffers");
    await ground.run("waits");
    await pause(1_000);
    assert.equal(await api.list(bubuPath("transportbindings", namespace)), []);
    await ground.configure({ "controller.bindings": "create" });
    await controller.logged("configuration taken over");
    await ground.run("at-once");
    assert.is((await ground.ready("at-once", 5_000)).length, 2);

    await ground.configure({ "hub.scaleToZero": "true" });
    await controller.logged("configuration is not in force");
    const path = `/api/v1/namespaces/${namespace}/pods/manager`;
    const conditionOf = (status: "True" | "False") =>
      api.until(
        path,
        (pod) =>
          pod?.status?.conditions?.some((each: { type: string; status: string }) =>
            each.type === "bobravoz.bubustack.io/ConfigurationInForce" && each.status === status
          ),
      );
    const pod = await conditionOf("False");
    assert.match(JSON.stringify(pod?.status.conditions), "a restart is needed for hub.scaleToZero=true");
    await ground.configure({ "hub.scaleToZero": "false" });
    await controller.logged("configuration is in force");
    await conditionOf("True");
  },
);

testOnCluster(
  it,
  "C-103 readyz fails until every kind is listed, and healthz is up meanwhile",
  async () => {
    await using ground = await Ground.open();
    let isHeld = true;
    await using proxy = await faultProxy(
      ground.bed,
      ({ url }) => isHeld && /\/stepruns/.test(url) ? { status: 503 } : undefined,
    );
    const kubeconfig = join(tmpdir(), `bobravoz-${ground.namespace}.yaml`);
    const text = readFileSync(await ground.bed.account(ground.namespace, "one"), "utf8");
    writeFileSync(kubeconfig, text.replaceAll(ground.bed.server, proxy.server));
    const controller = await ground.controller("one", { kubeconfig });
    const status = async (path: string) => (await fetch(`${controller.probes}${path}`)).status;
    await pause(500);
    assert.equal([await status("/readyz"), await status("/healthz")], [503, 200]);
    isHeld = false;
    const ready = async () => {
      while (await status("/readyz") !== 200) await pause(50);
    };
    await within(10_000, "a controller that is ready", ready());
  },
);

testOnCluster(
  it,
  "C-100 a bad security mode and a namespace that may not be read stop the start, each with a message",
  async () => {
    await using ground = await Ground.open({ "hub.transport-security-mode": "plaintext" });
    const { namespace } = ground;
    const kubeconfig = await ground.bed.account(namespace, "one");
    const refused = await failingController({ kubeconfig, args: [`--config-namespace=${namespace}`] });
    assert.is(refused.code, 2);
    assert.match(refused.text, 'hub.transport-security-mode: "plaintext" is not "tls"');
    await ground.api.delete(`/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${namespace}`);
    const denied = await failingController({ kubeconfig, args: [`--config-namespace=${namespace}`] });
    await ground.api.create({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: namespace },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: namespace },
      subjects: [],
    });
    assert.is(denied.code, 6, denied.text);
  },
);

testOnCluster(
  it,
  "C-108 metrics have the documented names, closed labels, and are for those who may",
  async () => {
    await using ground = await Ground.open();
    const { certificate, key } = await ground.bed.certificate("metrics");
    const folder = certificate.slice(0, certificate.lastIndexOf("/"));
    const name = (path: string) => path.slice(folder.length + 1);
    const args = [
      ...["--metrics-bind-address=127.0.0.1:0", `--metrics-cert-path=${folder}`],
      ...[`--metrics-cert-name=${name(certificate)}`, `--metrics-cert-key=${name(key)}`, ...election],
    ];
    const controller = await ground.controller("one", { args });
    await ground.run("counted");
    await ground.ready("counted");
    const token = /token: (\S+)/.exec(readFileSync(await ground.bed.account(ground.namespace, "one"), "utf8"))?.[1];
    const get = (authorization?: string) =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const headers = authorization === undefined ? {} : { authorization };
        request(`https://${controller.metrics}/metrics`, { rejectUnauthorized: false, headers }, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (more: string) => text += more);
          response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
        }).on("error", reject).end();
      });
    assert.is((await get()).status, 401);
    assert.is((await get("Bearer nobody")).status, 403);
    const { status, text } = await get(`Bearer ${token}`);
    assert.is(status, 200, text);
    for (
      const [metric, type] of [
        ["bobravoz_transport_binding_pending_total", "counter"],
        ["bobravoz_transport_binding_wait_seconds", "histogram"],
        ["rest_client_requests_total", "counter"],
        ["leader_election_master_status", "gauge"],
        ["workqueue_depth", "gauge"],
        ["workqueue_adds_total", "counter"],
        ["workqueue_retries_total", "counter"],
        ["workqueue_queue_duration_seconds", "histogram"],
        ["workqueue_work_duration_seconds", "histogram"],
        ["controller_runtime_reconcile_total", "counter"],
        ["controller_runtime_reconcile_errors_total", "counter"],
        ["controller_runtime_reconcile_time_seconds", "histogram"],
        ["controller_runtime_active_workers", "gauge"],
        ["controller_runtime_max_concurrent_reconciles", "gauge"],
      ]
    ) assert.match(text, `# TYPE ${metric} ${type}\n`);
    assert.match(text, 'leader_election_master_status{name="184655c9.bubustack.io"} 1');
    assert.match(text, /controller_runtime_reconcile_total\{controller="storyrun",result="success"\} [1-9]/);
    assert.match(text, 'bobravoz_transport_binding_wait_seconds_count{transport="grpc",phase="ready"} 1');
    assert.not.match(text, ground.namespace);
    assert.not.match(text, "counted");
    assert.is((await fetch(`${controller.probes}/metrics`)).status, 404);
  },
);

it.run();
