/** The manifests on a real API server: what kubectl applies, reads and deletes. */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JsonObject } from "../../src/contract/resources.ts";
import { type Api, type ApiObject, bubuPath, openApi } from "../support/apiserver/api.ts";
import { type Bed, startBed } from "../support/apiserver/bed.ts";
import { everything } from "../support/apiserver/everything.ts";
import { foreignDefinitions } from "../support/apiserver/foreign-definitions.ts";
import { openTool, type Tool } from "../support/kubectl.ts";
import { objectsOf } from "../support/manifests.ts";
import { testWithKubectl } from "../support/test-with-kubectl.ts";
import { root } from "../support/tools.ts";

const it = suite("manifests on an API server");

let bed: Bed | null = null;

/** One cluster for the file: names of what has no namespace are ours alone there. */
async function opened(): Promise<{ readonly api: Api; readonly kubectl: Tool } & Disposable> {
  bed ??= await startBed();
  const api = openApi(bed.kubeconfig);
  const kubectl = openTool("kubectl", bed.kubeconfig);
  return {
    api,
    kubectl,
    [Symbol.dispose]() {
      kubectl[Symbol.dispose]();
      api[Symbol.dispose]();
    },
  };
}

it.after(async () => await bed?.[Symbol.asyncDispose]());

const kept = [
  ...[
    "deployments/bobravoz-grpc-controller-manager",
    "deployments/bobravoz-grpc-webhook",
    "statefulsets/bobravoz-grpc-hub",
  ]
    .map((name) => `/apis/apps/v1/namespaces/bobrapet-system/${name}`),
  "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/bobravoz-grpc-transport-connector-mutating-webhook-configuration",
];

const folder = (name: string) => join(root, "manifests", name);

testWithKubectl(it, "applied twice they are the same, and deleted they leave nothing", async () => {
  using cluster = await opened();
  const { api, kubectl } = cluster;
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
  kubectl.must("delete", "-k", folder("default"), "--wait=true", "--timeout=40s");
  assert.equal(await everything(api), before);
});

testWithKubectl(it, "every installation and the samples are accepted by the API server", async () => {
  using cluster = await opened();
  const { api, kubectl } = cluster;
  for (const definition of foreignDefinitions) await api.create(definition);
  for (const name of ["bobrapet-system", "cert-manager", "bobravoz-demo"]) {
    await api.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } }, "test");
  }
  kubectl.must("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s");
  for (const name of ["default", "cert-manager", "enforce-identity", "scale-to-zero", "shared-ca", "samples"]) {
    const { code, out, err } = kubectl.run("apply", "--server-side", "--dry-run=server", "-k", folder(name));
    assert.is(code, 0, `${name}: ${err}`);
    assert.is(out.trimEnd().split("\n").length, objectsOf(name).length, name);
  }
  for (const component of ["service-monitor", "hub-autoscaling"]) {
    const [object] = objectsOf(`components/${component}`);
    await api.apply(object!, "test");
  }
});

testWithKubectl(it, "every pod is admitted where the restricted level is enforced", async () => {
  using cluster = await opened();
  const { api } = cluster;
  const name = "restricted";
  const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
  await api.create({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
  const workloads = objectsOf("default").filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet");
  assert.is(workloads.length, 4);
  for (const { metadata, spec } of workloads) {
    const account = spec.template.spec.serviceAccountName;
    await api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: account, namespace: name } });
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: metadata.name, namespace: name } };
    await api.create({ ...pod, spec: spec.template.spec });
    const { containers: [container], ...rest } = spec.template.spec;
    const { securityContext: _, ...open } = container;
    try {
      await api.create({ ...pod, metadata: { name: "open", namespace: name }, spec: { ...rest, containers: [open] } });
      assert.unreachable("a pod without it was admitted");
    } catch (error) {
      assert.match(String(error), "violates PodSecurity");
    }
  }
});

testWithKubectl(it, "kubectl get transportbindings shows transport, step, driver and endpoint", async () => {
  using cluster = await opened();
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
