/** The chart on a real API server, by Helm itself. */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Api, openApi } from "../support/apiserver/api.ts";
import { type Bed, bedPrograms, startBed, testOnCluster } from "../support/apiserver/bed.ts";
import { everything } from "../support/apiserver/everything.ts";
import { openTool, type Tool } from "../support/kubectl.ts";
import { createAuthority } from "../support/tls.ts";
import { leaveOut, root, toolPath } from "../support/tools.ts";

const it = suite("chart on an API server");
const chart = join(root, "manifests", "chart");
const registration = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/" +
  "bobravoz-grpc-transport-connector-mutating-webhook-configuration";
/** As the API server wants it: a certificate. */
const authority = Buffer.from(createAuthority("chart").ca).toString("base64");

let bed: Bed | null = null;

function testWithHelm(name: string, handler: (api: Api, helm: Tool) => Promise<void>): void {
  const path = toolPath("helm");
  if (path === null && bedPrograms() !== null) return leaveOut(it, "helm", name);
  testOnCluster(it, name, async () => {
    bed ??= await startBed();
    using api = openApi(bed.kubeconfig);
    // both programs are there, as asked above
    using helm = openTool(path!, bed.kubeconfig);
    await handler(api, helm);
  });
}

it.after(async () => await bed?.[Symbol.asyncDispose]());

testWithHelm("installed, upgraded and uninstalled by Helm, it leaves nothing behind", async (api, helm) => {
  await api.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "elsewhere" } });
  await api.until("/api/v1/namespaces/elsewhere/serviceaccounts/default", (account) => account !== undefined);
  await api.until("/api/v1/namespaces/elsewhere/configmaps/kube-root-ca.crt", (map) => map !== undefined);
  const before = await everything(api);
  const image = (tag: string) => [
    ...["--set", "controllerManager.manager.image.repository=registry.example/bobravoz"],
    ...["--set", `controllerManager.manager.image.tag=${tag}`],
    ...["--set", "controllerManager.manager.env.connectorImage=registry.example/connector:1"],
  ];
  helm.must("install", "transport", chart, "--namespace", "elsewhere", ...image("1"));
  const deployment = "/apis/apps/v1/namespaces/elsewhere/deployments/bobravoz-grpc-webhook";
  const container = async () => (await api.get(deployment))["spec"].template.spec.containers[0];
  assert.is((await container()).image, "registry.example/bobravoz:1");
  const connectorImage = { name: "CONNECTOR_IMAGE", value: "registry.example/connector:1" };
  assert.equal(
    (await container()).env.filter(({ name }: { readonly name: string }) => name === connectorImage.name),
    [connectorImage],
  );
  // what the keeper of certificates writes is not the chart's, and stays over an upgrade
  await api.patch(
    registration,
    [{ op: "add", path: "/webhooks/0/clientConfig/caBundle", value: authority }],
    "json-patch",
  );
  const secret = "/api/v1/namespaces/elsewhere/secrets/bobravoz-grpc-hub-tls";
  await api.patch(secret, { data: { "tls.crt": "eA==" } });
  helm.must("upgrade", "transport", chart, "--namespace", "elsewhere", ...image("2"), "--set", "hub.replicas=3");
  assert.is((await container()).image, "registry.example/bobravoz:2");
  assert.is((await api.get("/apis/apps/v1/namespaces/elsewhere/statefulsets/bobravoz-grpc-hub"))["spec"].replicas, 3);
  assert.equal((await api.get(secret))["data"], { "tls.crt": "eA==" });
  assert.is((await api.get(registration))["webhooks"][0].clientConfig.caBundle, authority);
  helm.must("uninstall", "transport", "--namespace", "elsewhere", "--wait");
  // pods and ReplicaSets go by garbage collection
  assert.equal(await settled(api, before.length), before);
});

/** Everything once it is `count` objects again; or as it is after 15 s. */
async function settled(api: Api, count: number): Promise<readonly string[]> {
  const endMs = performance.now() + 15_000;
  for (;;) {
    const seen = await everything(api);
    if (seen.length === count || performance.now() > endMs) return seen;
    await pause(300);
  }
}

it.run();
