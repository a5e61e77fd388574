/** A namespace in which controllers run as processes, each with an account of its own, on a real API server. */
import { readFileSync } from "node:fs";
import { systemClock } from "../../src/adapters/clock.ts";
import { DiscoveryClient } from "../../src/adapters/connector/discovery-client.ts";
import { type Api, bubuPath, openApi } from "./apiserver/api.ts";
import { type Bed, sharedBed } from "./apiserver/bed.ts";
import { type ControllerProcess, type ControllerProcessOptions, startController } from "./controller-process.ts";

const configName = "bobravoz-grpc-operator-config";
/** Flags of an election that is over in seconds. */
export const election = [
  "--leader-elect",
  ...["--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=300ms"],
];

/** A namespace with an account for each replica, a Transport of its own, and a Story of two steps. */
export class Ground implements AsyncDisposable {
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
      { ...rule("", ["configmaps"], "list", "watch"), resourceNames: [configName] },
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

  async controller(account: "one" | "two", more: Partial<ControllerProcessOptions> = {}) {
    const { namespace } = this;
    const started = await startController({
      ...more,
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

/** What discovery says of a step: the hub's address, and the value of `BUBU_TRANSPORT_BINDING`. */
export async function discovered(controller: ControllerProcess, namespace: string, storyRun: string, step: string) {
  const client = new DiscoveryClient({ address: controller.address, tls: null, clock: systemClock });
  try {
    const binding = await client.get({ namespace, storyRun, step }, 5_000);
    return [binding.hubEndpoint, binding.transportBinding];
  } finally {
    client.close();
  }
}
