/** The manifests on a real API server: what kubectl applies, reads and deletes. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JsonObject } from "../../src/contract/resources.ts";
import { type ApiObject, bubuPath } from "../support/apiserver/api.ts";
import { everything } from "../support/apiserver/everything.ts";
import { ownCluster } from "../support/apiserver/own-cluster.ts";
import { testWithKubectl } from "../support/test-with-kubectl.ts";
import { root } from "../support/tools.ts";

const it = suite("manifests on an API server");

const own = ownCluster();

it.after(async () => await own[Symbol.asyncDispose]());

const kept = [
  ...[
    "deployments/bobravoz-grpc-controller-manager",
    "deployments/bobravoz-grpc-webhook",
    "statefulsets/bobravoz-grpc-hub",
  ]
    .map((name) => `/apis/apps/v1/namespaces/bobrapet-system/${name}`),
  "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/bobravoz-grpc-transport-connector-mutating-webhook-configuration",
];

const inside = "/api/v1/namespaces/bobrapet-system";
const folder = (name: string) => join(root, "manifests", name);

testWithKubectl(
  it,
  "applied twice they are the same, and deleted they leave what is not theirs and nothing else",
  async () => {
    using cluster = await own.opened();
    const { api, kubectl } = cluster;
    // the namespace is the workflow operator's, with what it has there
    await api.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "bobrapet-system" } });
    await api.until(`${inside}/serviceaccounts/default`, (account) => account !== undefined);
    await api.until(`${inside}/configmaps/kube-root-ca.crt`, (map) => map !== undefined);
    await api.create({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "theirs", namespace: "bobrapet-system" },
    });
    const before = await everything(api);
    const first = kubectl.must("apply", "-k", folder("default"));
    assert.match(first, "deployment.apps/bobravoz-grpc-controller-manager created");
    // nothing that the API server would take otherwise than it is written
    const { code, out } = kubectl.run("diff", "-k", folder("default"));
    assert.is(code, 0, out);
    const versions = async () => {
      const objects = await Promise.all(kept.map((path) => api.get(path)));
      return objects.map(({ metadata }) => [metadata.name, metadata["generation"]]);
    };
    const once = await versions();
    kubectl.must("apply", "-k", folder("default"));
    assert.equal(await versions(), once);
    await api.until(
      "/apis/apps/v1/namespaces/bobrapet-system/statefulsets/bobravoz-grpc-hub",
      (hub) => hub?.["status"]?.replicas === 1,
    );
    const pods = await api.list("/api/v1/namespaces/bobrapet-system/pods");
    assert.ok(pods.some(({ metadata }) => metadata.name === "bobravoz-grpc-hub-0"));
    const ours = "app.kubernetes.io/name=bobravoz-grpc";
    kubectl.must("delete", "-k", folder("default"), "-l", ours, "--wait=true", "--timeout=40s");
    // pods and ReplicaSets go by garbage collection
    for (const endMs = performance.now() + 15_000; performance.now() < endMs;) {
      if ((await everything(api)).length === before.length) break;
      await pause(300);
    }
    assert.equal(await everything(api), before);
  },
);

testWithKubectl(it, "kubectl get transportbindings shows transport, step, driver and endpoint", async () => {
  using cluster = await own.opened();
  const { api, kubectl } = cluster;
  const namespace = await api.namespace("columns");
  const binding = {
    apiVersion: "transport.bubustack.io/v1alpha1",
    kind: "TransportBinding",
    metadata: { name: "run-listen-transport", namespace },
    spec: {
      transportRef: "voice",
      stepName: "listen",
      engramName: "run-listen",
      driver: "bobravoz-grpc",
      storyRunRef: { name: "run" },
      audio: { direction: "bidirectional", codecs: [{ name: "pcm16" }] },
    },
  };
  await api.create(binding);
  const endpoint = "bobravoz-grpc-hub-0.bobravoz-grpc-hub-pods.bobrapet-system.svc.cluster.local:9000";
  await api.apply({ ...binding, status: { endpoint } } as JsonObject, "bobravoz-controller", "status");
  const [head = "", line = ""] = kubectl.must("get", "transportbindings", "-n", namespace).split("\n");
  assert.equal(head.split(/\s+/).slice(0, 6), ["NAME", "TRANSPORT", "STEP", "DRIVER", "ENDPOINT", "AGE"]);
  assert.equal(line.split(/\s+/).slice(0, 5), [binding.metadata.name, "voice", "listen", "bobravoz-grpc", endpoint]);
  const selected = kubectl.must(
    "get",
    "tb",
    "-n",
    namespace,
    "--field-selector",
    "spec.storyRunRef.name=run",
    "-oname",
  );
  assert.match(selected, binding.metadata.name);
  const seen: ApiObject = await api.get(bubuPath("transportbindings", namespace, binding.metadata.name));
  assert.is(seen["status"].endpoint, endpoint);
});

it.run();
