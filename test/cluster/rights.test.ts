/**
 * C-105: controller and hubs under their accounts and roles of the manifests do what they are for, and the audit log of
 * the API server says what they asked for: nothing was denied, and nothing is granted that was not asked for.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Buffer } from "node:buffer";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { request as askHttps } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ConnectorState, ReportConnectorRequestSchema } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { DiscoveryClient } from "../../src/adapters/connector/discovery-client.ts";
import { installation } from "../../src/contract/installation.ts";
import { askedBy, grantAccess, grantedOf, unique } from "../support/apiserver/access.ts";
import { type Api, bubuPath, openApi } from "../support/apiserver/api.ts";
import { sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { startController } from "../support/controller-process.ts";
import { HubKubelet } from "../support/hub-kubelet.ts";
import { pod } from "../support/inject.ts";
import type { Role } from "../support/manifests.ts";
import { startWebhook } from "../support/webhook-process.ts";

const it = suite("rights on a cluster");

/** Verbs that other tests exercise, by what asks for them. */
const elsewhere: Readonly<Record<string, string>> = {
  // identity needs certificates on the ports: test/identity.test.ts, and the metrics' readers: controller.test.ts
  "authentication.k8s.io/tokenreviews create": "W-01",
  "authorization.k8s.io/subjectaccessreviews create": "metrics",
  "/pods get": "W-01",
};

const selector = { "app.kubernetes.io/name": "bobravoz-grpc", "control-plane": "hub" };

async function world(api: Api, namespace: string, undo: AsyncDisposableStack) {
  const bubu = { apiVersion: "bubustack.io/v1alpha1" };
  const config = { "controller.bindings": "create", "hub.scaleToZero": "true", "hub.scaleDownDelay": "1s" };
  const metadata = (name: string) => ({ name, namespace });
  await api.create({ apiVersion: "v1", kind: "ConfigMap", metadata: metadata(installation.config), data: config });
  await api.create({
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: metadata(installation.hub),
    spec: {
      replicas: 0,
      serviceName: installation.hubPods,
      selector: { matchLabels: selector },
      template: { metadata: { labels: selector }, spec: { containers: [{ name: "hub", image: "bobravoz" }] } },
    },
  });
  await api.create({
    apiVersion: "transport.bubustack.io/v1alpha1",
    kind: "Transport",
    metadata: { name: namespace },
    spec: { provider: "bobravoz", driver: "bobravoz-grpc", supportedBinary: ["application/json"] },
  });
  undo.defer(() => api.delete(bubuPath("transports", "", namespace)));
  for (const name of ["mic", "vad", "out"]) {
    const spec = { templateRef: { name: "any" }, mode: "deployment" };
    await api.create({ ...bubu, kind: "Engram", metadata: metadata(name), spec });
  }
  await api.create({
    ...bubu,
    kind: "Story",
    metadata: metadata("voice"),
    spec: {
      pattern: "realtime",
      transports: [{ name: "main", transportRef: namespace }],
      steps: [
        { name: "mic", ref: { name: "mic" } },
        { name: "vad", ref: { name: "vad" }, needs: ["mic"] },
        { name: "out", ref: { name: "out" }, needs: ["vad"] },
      ],
    },
  });
}

const ready = (status: string) => (object: { readonly [field: string]: unknown } | undefined) => {
  const { conditions = [] } = (object?.["status"] ?? {}) as {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
  return conditions.some((each) => each.type === "TransportReady" && each.status === status);
};

testOnCluster(it, "C-105 what controller and hub are granted is what they ask for, no more and no less", async () => {
  await using undo = new AsyncDisposableStack();
  const bed = undo.use(await sharedBed());
  const api = undo.use(openApi(bed.kubeconfig));
  const namespace = await api.namespace("rights");
  undo.defer(() => api.delete(`/api/v1/namespaces/${namespace}`));
  const roles: Record<string, readonly Role[]> = {};
  for (const name of [installation.controller, installation.hub]) {
    roles[name] = await grantAccess(api, namespace, name, undo);
  }
  await world(api, namespace, undo);
  const controller = undo.use(
    await startController({
      kubeconfig: await bed.account(namespace, installation.controller),
      args: [`--config-namespace=${namespace}`, `--watch-namespace=${namespace}`, "--leader-elect"],
      env: { POD_NAMESPACE: namespace, POD_NAME: "controller" },
    }),
  );
  const kubelet = undo.use(
    new HubKubelet({ api, namespace, kubeconfig: await bed.account(namespace, installation.hub) }),
  );

  // the first run wakes a hub
  const run = (name: string, finalizers: readonly string[] = []) => ({
    apiVersion: "runs.bubustack.io/v1alpha1",
    kind: "StoryRun",
    metadata: { name, namespace, finalizers },
    spec: { storyRef: { name: "voice" } },
  });
  await api.create(run("one"));
  await api.until(bubuPath("storyruns", namespace, "one"), ready("True"), 20_000);
  // its hub writes what a connector reports of itself
  const { status: { endpoint } } = await api.get(bubuPath("transportbindings", namespace, "one-mic-transport"));
  const discovery = new DiscoveryClient({ address: kubelet.resolve(endpoint)!, tls: null, clock: systemClock });
  undo.defer(() => discovery.close());
  const step = { namespace, storyRun: "one", step: "mic", generation: 1 };
  await discovery.report(create(ReportConnectorRequestSchema, { ...step, state: ConnectorState.READY }));
  // the same Event twice is one with a series
  const story = bubuPath("stories", namespace, "voice");
  const transport = "bobravoz.bubustack.io/transport";
  for (const value of ["mqtt", null, "mqtt", null]) {
    await api.patch(story, { metadata: { annotations: { [transport]: value } } });
    const isTold = (object: unknown) => JSON.stringify(object).includes("mqtt") === (value !== null);
    await api.until(bubuPath("storyruns", namespace, "one"), isTold);
  }
  // what takes a restart is told in a condition of the pod
  const config = `/api/v1/namespaces/${namespace}/configmaps/${installation.config}`;
  await api.patch(config, { data: { "hub.transport-security-mode": "none" } });
  // an edit changes one binding and takes one away
  await api.patch(story, [
    { op: "remove", path: "/spec/steps/2" },
    { op: "add", path: "/spec/transports/0/streaming", value: { backpressure: { buffer: { maxMessages: 7 } } } },
  ], "json-patch");
  await api.until(bubuPath("transportbindings", namespace, "one-out-transport"), (binding) => binding === undefined);
  await api.until(
    bubuPath("transportbindings", namespace, "one-mic-transport"),
    (binding) =>
      binding?.["spec"].rawSettings?.streaming !== undefined || JSON.stringify(binding).includes("maxMessages"),
  );
  // a run that an older operator has marked goes
  await api.create(run("old", ["transport.bobravoz.bubustack.io/finalizer"]));
  await api.until(bubuPath("storyruns", namespace, "old"), ready("True"), 20_000);
  await api.delete(bubuPath("storyruns", namespace, "old"));
  await api.until(bubuPath("storyruns", namespace, "old"), (object) => object === undefined);
  // the last one lets the hub go
  await api.delete(bubuPath("storyruns", namespace, "one"));
  const statefulSet = `/apis/apps/v1/namespaces/${namespace}/statefulsets/${installation.hub}`;
  await api.until(statefulSet, (object) => object?.["spec"].replicas === 0, 20_000);
  assert.ok(controller.lines.length > 0);

  await settles(roles, namespace, bed.auditLog!); // the bed writes one
});

testOnCluster(it, "C-105 what the webhook is granted is what it asks for, no more and no less", async () => {
  await using undo = new AsyncDisposableStack();
  const bed = undo.use(await sharedBed());
  const api = undo.use(openApi(bed.kubeconfig));
  const namespace = await api.namespace("rights");
  undo.defer(() => api.delete(`/api/v1/namespaces/${namespace}`));
  const roles = { [installation.webhook]: await grantAccess(api, namespace, installation.webhook, undo) };
  const config = { "connector.use-transport-image": "true" };
  const metadata = (name: string, annotations = {}) => ({ name, namespace, annotations });
  await api.create({ apiVersion: "v1", kind: "ConfigMap", metadata: metadata(installation.config), data: config });
  await api.until(`/api/v1/namespaces/${namespace}/serviceaccounts/default`, (account) => account !== undefined);
  const containers = [{ name: "manager", image: "registry.example/own:1" }];
  await api.create({ apiVersion: "v1", kind: "Pod", metadata: metadata("webhook"), spec: { containers } });
  const driver = "bobravoz-grpc";
  const group = "transport.bubustack.io/v1alpha1";
  await api.create({
    apiVersion: group,
    kind: "Transport",
    metadata: { name: namespace },
    spec: { provider: "bobravoz", driver, connectorImage: "registry.example/connector:transport" },
  });
  undo.defer(() => api.delete(bubuPath("transports", "", namespace)));
  await api.create({
    apiVersion: "bubustack.io/v1alpha1",
    kind: "Engram",
    metadata: metadata("microphone", { "transport.bubustack.io/binding": "capture" }),
    spec: { templateRef: { name: "any" }, mode: "deployment" },
  });
  await api.create({
    apiVersion: group,
    kind: "TransportBinding",
    metadata: metadata("capture"),
    spec: { transportRef: namespace, driver, stepName: "capture", engramName: "voice-1-capture" },
  });
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-rights-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const { certificate, key } = await bed.certificate(`webhook-${namespace}`);
  await copyFile(certificate, join(folder, "tls.crt"));
  await copyFile(key, join(folder, "tls.key"));
  const webhook = undo.use(
    await startWebhook({
      kubeconfig: await bed.account(namespace, installation.webhook),
      certificates: folder,
      args: ["--listen=127.0.0.1:0", `--config-namespace=${namespace}`],
      env: { POD_NAME: "webhook", POD_NAMESPACE: namespace },
    }),
  );
  const response = await review(await webhook.address(), await readFile(bed.ca), {
    uid: "1",
    operation: "CREATE",
    namespace,
    object: pod({ metadata: { namespace } }),
  });
  assert.is(response.allowed, true, response.status?.message);
  assert.match(Buffer.from(response.patch ?? "", "base64").toString(), "registry.example/connector:transport");
  await settles(roles, namespace, bed.auditLog!); // the bed writes one
});

interface Review {
  readonly allowed: boolean;
  readonly patch?: string;
  readonly status?: { readonly message: string };
}

/** Asks the webhook as an API server does. */
async function review(address: string, ca: Buffer, request: object): Promise<Review> {
  const body = JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request });
  const options = { method: "POST", ca: [ca], headers: { "content-type": "application/json" } };
  const text = await new Promise<string>((resolve, reject) => {
    const call = askHttps(`https://${address}/mutate-transport-connector-pod`, options, (answer) => {
      let text = "";
      answer.on("data", (part) => text += String(part));
      answer.on("end", () => resolve(text));
    });
    call.on("error", reject);
    call.end(body);
  });
  return JSON.parse(text).response as Review;
}

/** Settles once everything granted was asked for; nothing may have been denied. */
async function settles(
  roles: Readonly<Record<string, readonly Role[]>>,
  namespace: string,
  auditLog: string,
): Promise<void> {
  const missing = () =>
    Object.entries(roles).flatMap(([name, granted]) => {
      const asked = new Set(askedBy(auditLog, namespace, name).map(({ what }) => what));
      return grantedOf(granted).filter((what) => elsewhere[what] === undefined && !asked.has(what))
        .map((what) => `${name}: ${what}`);
    });
  // series of Events are written after a while, the log a little after each answer
  for (const endMs = performance.now() + 12_000; missing().length > 0 && performance.now() < endMs;) await pause(500);
  const denied = Object.keys(roles).flatMap((name) =>
    askedBy(auditLog, namespace, name).filter(({ code }) => code === 401 || code === 403)
      .map(({ what }) => `${name}: ${what}`)
  );
  assert.equal(unique(denied), []);
  assert.equal(missing(), []);
}

it.run();
