/** The pod webhook on a real API server, registered as the manifests register it, with the rights that they give it. */
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseAllDocuments } from "yaml";
import type { JsonObject } from "../../src/contract/resources.ts";
import { type Api, ApiError, type ApiObject, bubuPath, openApi } from "../support/apiserver/api.ts";
import { type Bed, sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { connectorOf, envelope, pod, type PodParts, valuesOf } from "../support/inject.ts";
import { root } from "../support/sources.ts";
import { startWebhook, type WebhookProcess } from "../support/webhook-process.ts";

const it = suite("webhook on a cluster");

const bindingKey = "transport.bubustack.io/binding";
const webhookPath = "/mutate-transport-connector-pod";

interface Installed extends AsyncDisposable {
  readonly bed: Bed;
  readonly api: Api;
  readonly namespace: string;
  readonly webhook: WebhookProcess;
  /** A pod of an engram with a binding, in this namespace. */
  pod(name: string, parts?: PodParts): JsonObject;
  pods(): Promise<readonly ApiObject[]>;
  /** Replaces the serving certificate. */
  renew(): Promise<void>;
}

/** A webhook process under the manifests' roles, and its registration for one namespace. */
async function install(namespaceLabels: Record<string, string> = {}): Promise<Installed> {
  const undo = new AsyncDisposableStack();
  try {
    const bed = undo.use(await sharedBed());
    const api = undo.use(openApi(bed.kubeconfig));
    const namespace = await api.namespace("webhook");
    undo.defer(() => api.delete(`/api/v1/namespaces/${namespace}`));
    await api.patch(`/api/v1/namespaces/${namespace}`, { metadata: { labels: namespaceLabels } });
    const kubeconfig = await account(bed, api, namespace, undo);
    const folder = await mkdtemp(join(tmpdir(), "bobravoz-webhook-"));
    undo.defer(() => rm(folder, { recursive: true, force: true }));
    const renew = async () => {
      const { certificate, key } = await bed.certificate(`webhook-${namespace}`);
      await copyFile(certificate, join(folder, "tls.crt"));
      await copyFile(key, join(folder, "tls.key"));
    };
    await renew();
    const webhook = undo.use(
      await startWebhook({
        kubeconfig,
        certificates: folder,
        args: ["--listen=127.0.0.1:0", `--config-namespace=${namespace}`],
        env: { BUBU_HUB_SERVICE_NAMESPACE: "bobrapet-system", CONNECTOR_IMAGE: "registry.example/connector:1" },
      }),
    );
    const configuration = {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "MutatingWebhookConfiguration",
      metadata: { name: `bobravoz-${namespace}` },
      webhooks: [{
        name: "mtransport-connector.bobravoz.bubustack.io",
        admissionReviewVersions: ["v1"],
        clientConfig: {
          url: `https://${await webhook.address()}${webhookPath}`,
          caBundle: (await readFile(bed.ca)).toString("base64"),
        },
        failurePolicy: "Fail",
        matchPolicy: "Equivalent",
        sideEffects: "None",
        timeoutSeconds: 10,
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
        objectSelector: { matchExpressions: [{ key: "bubustack.io/engram", operator: "Exists" }] },
        rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"], scope: "*" }],
      }],
    };
    await api.create(configuration);
    const registration = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/bobravoz-${namespace}`;
    undo.defer(() => api.delete(registration));
    const installed: Installed = {
      bed,
      api,
      namespace,
      webhook,
      pod(name, parts = {}) {
        const annotations = { [bindingKey]: envelope({}, namespace), ...parts.annotations };
        const object = pod({ ...parts, annotations });
        const metadata = { ...object["metadata"] as JsonObject, generateName: "", name, namespace };
        return { ...object, metadata };
      },
      pods: () => api.list(`/api/v1/namespaces/${namespace}/pods`),
      renew,
      [Symbol.asyncDispose]: () => undo.disposeAsync(),
    };
    await inForce(installed);
    return installed;
  } catch (error) {
    await undo.disposeAsync();
    throw error;
  }
}

/** Kubeconfig of a ServiceAccount with the roles of manifests/base/webhook.yaml. */
async function account(bed: Bed, api: Api, namespace: string, undo: AsyncDisposableStack): Promise<string> {
  const text = await readFile(join(root, "manifests/base/webhook.yaml"), "utf8");
  const objects = parseAllDocuments(text).map((document) => document.toJS() as ApiObject);
  const rulesOf = (kind: string) => objects.find((object) => object.kind === kind)?.["rules"];
  const name = `bobravoz-webhook-${namespace}`;
  const subjects = [{ kind: "ServiceAccount", name, namespace }];
  const rbac = { apiVersion: "rbac.authorization.k8s.io/v1" };
  const bound = (kind: string) => ({
    ...rbac,
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name },
    subjects,
  });
  await api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } });
  await api.create({ ...rbac, kind: "ClusterRole", metadata: { name }, rules: rulesOf("ClusterRole") });
  undo.defer(() => api.delete(`/apis/rbac.authorization.k8s.io/v1/clusterroles/${name}`));
  await api.create({ ...bound("ClusterRole"), kind: "ClusterRoleBinding", metadata: { name } });
  undo.defer(() => api.delete(`/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${name}`));
  await api.create({ ...rbac, kind: "Role", metadata: { name, namespace }, rules: rulesOf("Role") });
  await api.create({ ...bound("Role"), kind: "RoleBinding", metadata: { name, namespace } });
  return await bed.account(namespace, name);
}

/** Settles once the API server knows the registration and pods can be made; makes none. */
async function inForce({ api, namespace, pod }: Installed): Promise<void> {
  await api.until(`/api/v1/namespaces/${namespace}/serviceaccounts/default`, (object) => object !== undefined);
  const endMs = performance.now() + 10_000;
  const path = `/api/v1/namespaces/${namespace}/pods?dryRun=All`;
  const isMarked = ({ metadata }: ApiObject) => JSON.stringify(metadata).includes("connector-injected");
  // its caches learn of a registration a little later
  while (!isMarked(await api.post(path, pod("probe", { container: restricted, spec: restrictedPod })))) {
    if (performance.now() > endMs) throw new Error("the registration is not in force");
  }
}

const restrictedPod = { securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } } };
const restricted = {
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true },
};

/** Why the API server refuses it. */
async function refusalOf(created: Promise<ApiObject>): Promise<ApiError> {
  return await created.then(
    () => assert.unreachable("it was accepted") as never,
    (error: unknown) => {
      if (error instanceof ApiError) return error;
      throw error;
    },
  );
}

testOnCluster(
  it,
  "C-090 C-091 C-092 a labelled pod gets its connector, once; others go on; an undecodable binding is denied",
  async () => {
    await using installed = await install();
    const { api, namespace } = installed;
    const record = `bobravoz-grpc-hub-1.bobravoz-grpc-hub-pods.bobrapet-system.svc.cluster.local:9000`;
    await recordPlacement(installed, record);
    const created = await api.create(installed.pod("bound", {
      spec: { volumes: [{ name: "engram-tls", emptyDir: {} }] },
      container: { volumeMounts: [{ name: "engram-tls", mountPath: "/var/run/tls", readOnly: true }] },
    }));
    assert.is(created["spec"].initContainers.length, 1);
    assert.is(created["spec"].containers.length, 1);
    // it is JSON
    const connector = connectorOf(created as unknown as JsonObject);
    assert.equal([connector["image"], connector["command"], connector["restartPolicy"]], [
      "registry.example/connector:1",
      ["/connector"],
      "Always",
    ]);
    const values = valuesOf(connector);
    assert.equal([values["BUBU_HUB_ENDPOINT"], values["BOBRAVOZ_HUB_ENDPOINT"]], [record, record]);
    assert.is(
      values["BOBRAVOZ_DISCOVERY_ENDPOINT"],
      `bobravoz-grpc-discovery.${namespace}.svc.cluster.local:9100`,
    );
    // the API server itself adds the pod's token: it runs its own admission again after a webhook
    const mounts = connector["volumeMounts"] as { name: string; mountPath: string }[];
    assert.equal(mounts.map(({ mountPath }) => mountPath), [
      "/var/run/tls",
      "/var/run/secrets/kubernetes.io/serviceaccount",
    ]);

    const { spec, metadata: { labels, annotations } } = created;
    const { nodeName: _, ...again } = spec;
    const second = await api.create({
      ...created,
      metadata: { name: "again", namespace, labels, annotations },
      spec: again,
    });
    assert.equal(second["spec"].initContainers.length, 1);
    assert.equal(second["spec"].initContainers[0].env, created["spec"].initContainers[0].env);

    const stranger = { apiVersion: "v1", kind: "Pod", metadata: { name: "nginx", namespace } };
    const nginx = await api.create({ ...stranger, spec: { containers: [{ name: "nginx", image: "nginx" }] } });
    assert.is(nginx["spec"].initContainers, undefined);
    assert.not.match(JSON.stringify(nginx.metadata), "bobravoz");

    const refused = await refusalOf(api.create(installed.pod("broken", { annotations: { [bindingKey]: "a-name" } })));
    assert.is(refused.status, 400);
    assert.match(refused.message, `annotation ${bindingKey} of the pod: binding payload must be a JSON envelope`);

    await api.create({
      apiVersion: "bubustack.io/v1alpha1",
      kind: "Engram",
      metadata: { name: "microphone", namespace },
      spec: { templateRef: { name: "any" }, mode: "deployment" },
    });
    const unbound = await api.create(installed.pod("unbound", { annotations: { [bindingKey]: "" } }));
    assert.is(unbound["spec"].initContainers, undefined);
    await refusalOf(api.create(installed.pod("no-engram", {
      annotations: { [bindingKey]: "" },
      labels: { "bubustack.io/engram": "nobody" },
    }))).then(({ status, message }) => {
      assert.is(status, 400);
      assert.match(message, `Engram ${namespace}/nobody cannot be read`);
    });
  },
);

/** The binding of step `capture` with this endpoint in its status. */
async function recordPlacement({ api, namespace }: Installed, endpoint: string): Promise<void> {
  const name = "voice-1-capture-transport";
  const run = { apiVersion: "runs.bubustack.io/v1alpha1", kind: "StoryRun", metadata: { name: "voice-1", namespace } };
  await api.create({ ...run, spec: { storyRef: { name: "voice" } } });
  await api.create({
    apiVersion: "transport.bubustack.io/v1alpha1",
    kind: "TransportBinding",
    metadata: { name, namespace },
    spec: {
      transportRef: "speech",
      driver: "bobravoz-grpc",
      stepName: "capture",
      engramName: "voice-1-capture",
      storyRunRef: { name: "voice-1" },
      binary: { direction: "bidirectional", mimeTypes: ["application/json"] },
    },
  });
  await api.patch(`${bubuPath("transportbindings", namespace, name)}/status`, { status: { endpoint } });
}

testOnCluster(it, "C-095 C-096 a Deployment's pods get the connector under the restricted level", async () => {
  await using installed = await install({ "pod-security.kubernetes.io/enforce": "restricted" });
  const { api, namespace } = installed;
  const { metadata, spec } = installed.pod("", { container: restricted, spec: restrictedPod });
  const { labels, annotations } = metadata as Record<string, JsonObject>;
  await api.create({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "voice-1-capture", namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: { "bubustack.io/step": "capture" } },
      // what its controller submits has no namespace of its own
      template: { metadata: { labels, annotations }, spec },
    },
  });
  const endMs = performance.now() + 20_000;
  let pods = await installed.pods();
  while (pods.length < 2 && performance.now() < endMs) pods = await installed.pods();
  assert.is(pods.length, 2);
  for (const each of pods) {
    const { securityContext } = connectorOf(each as unknown as JsonObject);
    assert.equal(securityContext, restricted.securityContext);
    assert.is(each.metadata["annotations" as string] !== undefined, true);
  }
});

testOnCluster(it, "C-107 a replaced certificate is served to the next connection, and pods go on", async () => {
  await using installed = await install();
  const { api, webhook } = installed;
  await api.create(installed.pod("before"));
  const old = await fingerprintOf(await webhook.address());
  assert.match(old, /^[0-9A-F]{2}:/);
  const from = webhook.lines.length;
  await installed.renew();
  await webhook.logged("serving certificate is replaced", 10_000, from);
  let now = old;
  // a connection that was being accepted meanwhile may have the old one still
  for (let attempt = 0; attempt < 20 && now === old; attempt++) now = await fingerprintOf(await webhook.address());
  assert.is.not(now, old);
  const after = await api.create(installed.pod("after"));
  assert.is(after["spec"].initContainers.length, 1);
});

/** Fingerprint of the certificate that a new connection meets. */
async function fingerprintOf(address: string): Promise<string> {
  const { connect } = await import("node:tls");
  const [host, port] = address.split(":");
  return await new Promise((resolve, reject) => {
    const socket = connect({ host: host!, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

testOnCluster(it, "while no webhook answers, labelled pods are refused and others go on; then they come", async () => {
  await using installed = await install();
  const { api, namespace, webhook } = installed;
  assert.is(await webhook.stop("SIGTERM"), 0);
  const refused = await refusalOf(api.create(installed.pod("labelled")));
  assert.is(refused.status, 500);
  assert.match(refused.message, "failed calling webhook");
  const other = { apiVersion: "v1", kind: "Pod", metadata: { name: "other", namespace } };
  await api.create({ ...other, spec: { containers: [{ name: "other", image: "other" }] } });
});

testOnCluster(
  it,
  "C-103 it is ready once its certificate is there, and obeys a changed ConfigMap without a restart",
  async () => {
    await using bed = await sharedBed();
    using api = openApi(bed.kubeconfig);
    const namespace = await api.namespace("webhook");
    await api.until(`/api/v1/namespaces/${namespace}/serviceaccounts/default`, (object) => object !== undefined);
    const own = { apiVersion: "v1", kind: "Pod", metadata: { name: "webhook-1", namespace } };
    await api.create({ ...own, spec: { containers: [{ name: "manager", image: "registry.example/bobravoz:7" }] } });
    const folder = await mkdtemp(join(tmpdir(), "bobravoz-webhook-"));
    try {
      await using webhook = await startWebhook({
        kubeconfig: bed.kubeconfig,
        certificates: folder,
        args: ["--listen=127.0.0.1:0", `--config-namespace=${namespace}`],
        env: { POD_NAME: "webhook-1", POD_NAMESPACE: namespace },
      });
      const ready = async () => {
        const { status } = await fetch(`${webhook.probes}/readyz`);
        return status;
      };
      assert.is(await ready(), 503);
      assert.is((await fetch(`${webhook.probes}/healthz`)).status, 200);
      const { certificate, key } = await bed.certificate(`webhook-${namespace}`);
      await copyFile(certificate, join(folder, "tls.crt"));
      await copyFile(key, join(folder, "tls.key"));
      // nothing is configured: the connector is in the operator's own image (O-22)
      assert.is((await webhook.logged("webhook listens"))["image"], "registry.example/bobravoz:7");
      assert.is(await ready(), 200);
      const metadata = { name: "bobravoz-grpc-operator-config", namespace };
      await api.create({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata,
        data: { "connector.image": "other.example/c:2" },
      });
      await webhook.logged("configuration taken over");
      const text = await (await fetch(`${webhook.probes}/metrics`)).text();
      assert.match(text, "bobravoz_webhook_certificate_not_after_seconds ");
      // a pod that stops is not ready, and answers until the API server knows
      const ending = webhook.stop("SIGTERM");
      await webhook.logged("webhook stops");
      assert.is(await ready(), 503);
      await fingerprintOf(await webhook.address());
      assert.is(await ending, 0);
    } finally {
      await rm(folder, { recursive: true, force: true });
      await api.delete(`/api/v1/namespaces/${namespace}`);
    }
  },
);

it.run();
