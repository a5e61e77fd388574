/**
 * A controller and hubs as processes under the accounts of the manifests, on a real API server: where runs are, what
 * happens when a hub is lost, and scaling between 0 and 1. The test plays the pods' kubelet and the cluster's DNS.
 */
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Api, type ApiObject, bubuPath, openApi } from "../support/apiserver/api.ts";
import { type Bed, sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { type ControllerProcess, startController } from "../support/controller-process.ts";
import { HubKubelet } from "../support/hub-kubelet.ts";
import { rolesOf } from "../support/manifests.ts";
import { type PlacedStep, PlacedSteps } from "../support/placed-steps.ts";

const it = suite("placement on a cluster");

const hubName = "bobravoz-grpc-hub";
const controllerName = "bobravoz-grpc-controller-manager";
const labels = { "app.kubernetes.io/name": "bobravoz-grpc", "control-plane": "hub" };
const runs = 100;

/** A namespace with the accounts, roles and StatefulSet of the manifests, and a Story of two steps. */
class Ground implements AsyncDisposable {
  readonly bed: Bed;
  readonly api: Api;
  readonly namespace: string;
  readonly #cluster: string[] = [];

  static async open(replicas: number, data: Readonly<Record<string, string>>): Promise<Ground> {
    const bed = await sharedBed();
    const api = openApi(bed.kubeconfig);
    const ground = new Ground(bed, api, await api.namespace("placement"));
    await ground.#prepare(replicas, data);
    return ground;
  }

  private constructor(bed: Bed, api: Api, namespace: string) {
    this.bed = bed;
    this.api = api;
    this.namespace = namespace;
  }

  path(plural: string, name: string, group = "api/v1"): string {
    return `/${group}/namespaces/${this.namespace}/${plural}/${name}`;
  }

  get statefulSet(): string {
    return this.path("statefulsets", hubName, "apis/apps/v1");
  }

  async #prepare(replicas: number, data: Readonly<Record<string, string>>): Promise<void> {
    const { api, namespace } = this;
    const meta = (name: string) => ({ name, namespace });
    for (const name of [hubName, controllerName]) await this.#grant(name);
    await api.create({ apiVersion: "v1", kind: "ConfigMap", metadata: meta("bobravoz-grpc-operator-config"), data });
    await api.create({
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { ...meta(hubName), labels },
      spec: {
        replicas,
        serviceName: `${hubName}-pods`,
        podManagementPolicy: "Parallel",
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { serviceAccountName: hubName, containers: [{ name: "hub", image: "bobravoz" }] },
        },
      },
    });
    const bubu = { apiVersion: "bubustack.io/v1alpha1" };
    await api.create({
      apiVersion: "transport.bubustack.io/v1alpha1",
      kind: "Transport",
      metadata: { name: namespace },
      spec: {
        provider: "bobravoz",
        driver: "bobravoz-grpc",
        supportedBinary: ["application/json"],
        supportedAudio: [{ name: "pcm16" }],
      },
    });
    this.#cluster.push(`/apis/transport.bubustack.io/v1alpha1/transports/${namespace}`);
    for (const name of ["mic", "out"]) {
      const spec = { templateRef: { name: "any" }, mode: "deployment" };
      await api.create({ ...bubu, kind: "Engram", metadata: meta(name), spec });
    }
    await api.create({
      ...bubu,
      kind: "Story",
      metadata: meta("voice"),
      spec: {
        pattern: "realtime",
        transports: [{ name: "main", transportRef: namespace }],
        steps: [{ name: "mic", ref: { name: "mic" } }, { name: "out", ref: { name: "out" }, needs: ["mic"] }],
      },
    });
  }

  /** The account of a program with its roles of the manifests, under names of this namespace. */
  async #grant(name: string): Promise<void> {
    const { api, namespace } = this;
    await api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } });
    for (const role of rolesOf(name)) {
      const { kind } = role;
      const metadata = kind === "ClusterRole" ? { name: `${namespace}-${name}` } : { name, namespace };
      await api.create({ apiVersion: "rbac.authorization.k8s.io/v1", kind, metadata, rules: role.rules });
      await api.create({
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: `${kind}Binding`,
        metadata,
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name: metadata.name },
        subjects: [{ kind: "ServiceAccount", name, namespace }],
      });
      if (kind !== "ClusterRole") continue;
      const group = "/apis/rbac.authorization.k8s.io/v1";
      this.#cluster.push(`${group}/clusterroles/${metadata.name}`, `${group}/clusterrolebindings/${metadata.name}`);
    }
  }

  async startController(env: Readonly<Record<string, string>> = {}): Promise<ControllerProcess> {
    const { bed, namespace } = this;
    return await startController({
      kubeconfig: await bed.account(namespace, controllerName),
      args: ["--config-namespace", namespace, "--watch-namespace", namespace],
      env: { POD_NAMESPACE: namespace, POD_NAME: "controller", BOBRAVOZ_CONTROLLER_BINDINGS: "create", ...env },
    });
  }

  async startKubelet(): Promise<HubKubelet> {
    const { api, bed, namespace } = this;
    return new HubKubelet({ api, namespace, kubeconfig: await bed.account(namespace, hubName) });
  }

  async startRun(name: string): Promise<void> {
    await this.api.create({
      apiVersion: "runs.bubustack.io/v1alpha1",
      kind: "StoryRun",
      metadata: { name, namespace: this.namespace },
      spec: { storyRef: { name: "voice" } },
    });
  }

  /** Hub of each run as its bindings record it. */
  async records(): Promise<Map<string, string>> {
    const places = new Map<string, Set<string>>();
    for (const { spec, status } of await this.api.list(bubuPath("transportbindings", this.namespace))) {
      const run = String(spec.storyRunRef.name);
      places.set(run, (places.get(run) ?? new Set()).add(String(status?.endpoint)));
    }
    return new Map([...places].map(([run, hubs]) => [run, [...hubs].join(" ")]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api.delete(this.statefulSet);
    for (const path of this.#cluster) await this.api.delete(path);
    await this.api.delete(`/api/v1/namespaces/${this.namespace}`);
    this.api[Symbol.dispose]();
    await this.bed[Symbol.asyncDispose]();
  }
}

const podOf = (endpoint: string) => endpoint.split(".")[0]!;
const seconds = (ms: number) => (ms / 1000).toFixed(2);

/** Sends on every run until each has had a packet sent after the call. */
async function flow(steps: PlacedSteps, what: string, ms: number, which = (_: PlacedStep) => true): Promise<void> {
  const from = steps.send("mic");
  const timer = setInterval(() => steps.send("mic"), 50);
  const isServed = (step: PlacedStep) => (step.received.at(-1) ?? 0) >= from;
  try {
    await steps.signal.until(what, () => steps.of("out").filter(which).every(isServed), ms);
  } catch (error) {
    const late = steps.of("out").filter(which).filter((step) => !isServed(step));
    const [first] = late;
    throw new Error(`${error}: ${late.length} late, ${first?.storyRun} at ${first?.endpoint}: ${first?.losses.join()}`);
  } finally {
    clearInterval(timer);
  }
}

testOnCluster(it, "C-102 of three hubs one is killed: only its runs move, and no other stream breaks", async () => {
  await using ground = await Ground.open(3, {});
  await using kubelet = await ground.startKubelet();
  await using controller = await ground.startController();
  const areReady = () => [0, 1, 2].every((index) => kubelet.isReady(`${hubName}-${index}`));
  await kubelet.signal.until("three hubs", areReady, 30_000);
  const startedMs = performance.now();
  for (let run = 0; run < runs; run += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, index) => ground.startRun(`run-${run + index}`)));
  }
  await using steps = new PlacedSteps({
    namespace: ground.namespace,
    discovery: controller.address,
    resolve: (endpoint) => kubelet.resolve(endpoint),
  });
  await steps.signal.until(
    "all steps",
    () => steps.all.length === 2 * runs && steps.all.every((s) => s.isReady),
    30_000,
  );
  await flow(steps, "a packet of every run", 30_000);
  console.log(
    `${runs} runs with streams on 3 hubs ${seconds(performance.now() - startedMs)} s after the first was created`,
  );

  const before = new Map(steps.of("out").map(({ storyRun, endpoint }) => [storyRun, endpoint]));
  assert.equal(await ground.records(), before);
  const shares = new Map<string, number>();
  for (const hub of before.values()) shares.set(podOf(hub), (shares.get(podOf(hub)) ?? 0) + 1);
  for (const index of [0, 1, 2]) assert.ok((shares.get(`${hubName}-${index}`) ?? 0) > 15, JSON.stringify([...shares]));
  const counts = () => new Map(steps.all.map((step) => [step, [step.opened, step.lost]]));
  const settled = counts();

  const victim = `${hubName}-1`;
  const isMoved = ({ storyRun }: PlacedStep) => podOf(before.get(storyRun)!) === victim;
  kubelet.held.add(victim);
  const killedMs = performance.now();
  kubelet.kill(victim);
  await flow(steps, "a packet of every run that moves", 20_000, isMoved);
  const movedMs = performance.now() - killedMs;
  const moved = steps.of("out").filter(isMoved);
  console.log(`${moved.length} runs of a killed hub are served by others ${seconds(movedMs)} s after it was killed`);
  await flow(steps, "a packet of the others", 5_000);
  for (const step of steps.all) {
    if (isMoved(step)) assert.not.equal(podOf(step.endpoint), victim);
    else {
      assert.is(step.endpoint, before.get(step.storyRun), `${step.storyRun} moved`);
      assert.equal(
        [step.opened, step.lost],
        settled.get(step),
        `${step.storyRun} lost its stream: ${step.losses.join()}`,
      );
    }
  }
  const after = await ground.records();
  for (const { storyRun, endpoint } of steps.of("out")) assert.is(after.get(storyRun), endpoint);

  // the hub comes back: nothing moves back, and nobody notices
  const quiet = counts();
  kubelet.held.delete(victim);
  await kubelet.signal.until("the hub that comes back", () => kubelet.isReady(victim), 20_000);
  await pause(500);
  await flow(steps, "a packet of every run", 5_000);
  assert.equal(await ground.records(), after);
  assert.equal(counts(), quiet);

  // no controller: hubs go on, and one that restarts takes its runs again from the records
  assert.is(await controller.stop("SIGKILL"), null);
  const pod = `${hubName}-0`;
  const restartMs = performance.now();
  kubelet.kill(pod);
  await kubelet.signal.until(
    "a hub that restarts",
    () => kubelet.starts.at(-1)!.pod === pod && kubelet.isReady(pod),
    30_000,
  );
  await flow(steps, "a packet of every run without a controller", 45_000);
  console.log(
    `a hub that restarts without a controller serves its runs after ${seconds(performance.now() - restartMs)} s`,
  );
  assert.equal(await ground.records(), after);
});

testOnCluster(
  it,
  "with hub.scaleToZero the first run wakes a hub, its streams wait and are served, and the hub goes when it is over",
  async () => {
    await using ground = await Ground.open(0, { "hub.scaleToZero": "true", "hub.scaleDownDelay": "2s" });
    await using kubelet = await ground.startKubelet();
    await using controller = await ground.startController();
    await using steps = new PlacedSteps({
      namespace: ground.namespace,
      discovery: controller.address,
      resolve: (endpoint) => kubelet.resolve(endpoint),
    });
    const startedMs = performance.now();
    await ground.startRun("run-0");
    await steps.signal.until("both steps", () => steps.all.length === 2, 15_000);
    assert.is(kubelet.starts.filter(({ readyMs }) => readyMs > 0).length, 0);
    for (const { endpoint, isReady, opened } of steps.all) {
      assert.equal([podOf(endpoint), isReady, opened], [`${hubName}-0`, false, 0]);
    }
    const run = bubuPath("storyruns", ground.namespace, "run-0");
    const conditionIs = (type: string, status: string, reason: string) => (object: ApiObject | undefined) =>
      (object?.status?.conditions as { type: string; status: string; reason: string }[] | undefined)
        ?.some((each) => each.type === type && each.status === status && each.reason === reason) ?? false;
    await ground.api.until(run, conditionIs("TransportReady", "False", "HubStarting"), 10_000);
    // what is sent while there is no hub waits in the sender
    const early = steps.send("mic");
    await ground.api.until(ground.statefulSet, (set) => set?.["spec"].replicas === 1, 10_000);
    await steps.signal.until("the packet that waited", () => steps.of("out")[0]!.received.includes(early), 30_000);
    const servedMs = performance.now() - startedMs;
    const [started] = kubelet.starts;
    await ground.api.until(run, conditionIs("TransportReady", "True", "TransportReady"), 10_000);
    const start = (ms: number) => seconds(ms - started!.spawnedMs);
    console.log(
      `a woken hub listens ${start(started!.listensMs)} s and is ready ${
        start(started!.readyMs)
      } s after its process was ` +
        `started; the first packet arrives ${seconds(servedMs)} s after the run was created`,
    );
    for (const { opened, lost } of steps.all) assert.equal([opened, lost], [1, 0]);

    // another writer between 1 and N is left alone
    const scale = (replicas: number) => ground.api.patch(`${ground.statefulSet}/scale`, { spec: { replicas } });
    await scale(2);
    await ground.api.patch(`${run}/status`, { status: { phase: "Succeeded" } });
    const overMs = performance.now();
    await pause(3_500);
    assert.is((await ground.api.get(ground.statefulSet))["spec"].replicas, 2, "an autoscaler's number stays");
    await scale(1);
    await ground.api.until(ground.statefulSet, (set) => set?.["spec"].replicas === 0, 10_000);
    await kubelet.signal.until("the hubs' end", () => kubelet.starts.every(({ exitedMs }) => exitedMs > 0), 20_000);
    assert.equal(kubelet.starts.map(({ exitCode }) => exitCode), kubelet.starts.map(() => 0));
    console.log(
      `idle hubs are gone ${
        seconds(performance.now() - overMs)
      } s after the run was over (window 2 s, autoscaler at 2 for 3.5 s)`,
    );
    assert.match(controller.lines.map(({ message }) => message).join(), "hubs scaled");
  },
);

it.run();
