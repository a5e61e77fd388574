/** What tests of placement stand on: a namespace of a cluster with hubs and a controller under the manifests' accounts. */
import { type Api, bubuPath, openApi } from "./apiserver/api.ts";
import { type Bed, sharedBed } from "./apiserver/bed.ts";
import { type ControllerProcess, startController } from "./controller-process.ts";
import { HubKubelet } from "./hub-kubelet.ts";
import { rolesOf } from "./manifests.ts";

export const hubName = "bobravoz-grpc-hub";
const controllerName = "bobravoz-grpc-controller-manager";
const labels = { "app.kubernetes.io/name": "bobravoz-grpc", "control-plane": "hub" };

/** A namespace with the accounts, roles and StatefulSet of the manifests, and a Story of two steps. */
export class Ground implements AsyncDisposable {
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

/** The pod that an address names. */
export const podOf = (endpoint: string) => endpoint.split(".")[0]!;

export const seconds = (ms: number) => (ms / 1000).toFixed(2);
