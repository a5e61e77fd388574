/** Every installation of the manifests on a real API server: what it accepts and what it admits. */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { foreignDefinitions } from "../support/apiserver/foreign-definitions.ts";
import { ownCluster } from "../support/apiserver/own-cluster.ts";
import { objectsOf } from "../support/manifests.ts";
import { testWithKubectl } from "../support/test-with-kubectl.ts";
import { root } from "../support/tools.ts";

const it = suite("installations on an API server");

const own = ownCluster();

it.after(async () => await own[Symbol.asyncDispose]());

const folder = (name: string) => join(root, "manifests", name);

testWithKubectl(it, "every installation and the samples are accepted by the API server", async () => {
  using cluster = await own.opened();
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
  using cluster = await own.opened();
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

it.run();
