// `bobravoz check` against a real API server with an installation on it: in order at first, then ten faults are planted.
import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { certifiedServices, installation, serviceNames } from "../../src/contract/installation.ts";
import type { JsonObject } from "../../src/contract/resources.ts";
import type { CheckFinding } from "../../src/control/check.ts";
import { type Api, openApi } from "../support/apiserver/api.ts";
import { startBed, testOnCluster } from "../support/apiserver/bed.ts";
import { Command } from "../support/command.ts";
import { within } from "../support/deadline.ts";
import { objectsOf } from "../support/manifests.ts";
import { createAuthority } from "../support/tls.ts";

const test = suite("bobravoz check on an API server");

const namespace = installation.namespace;
const authority = createAuthority("installation");
const base64 = (text: string) => Buffer.from(text).toString("base64");
const hook = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${installation.webhookConfiguration}`;

function secret(name: string, tls: { cert: string; key: string; ca: string }, where: string = namespace): object {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: where },
    data: { "tls.crt": base64(tls.cert), "tls.key": base64(tls.key), "ca.crt": base64(tls.ca) },
  };
}

const namesOf = (name: string) =>
  certifiedServices[name]!.flatMap((service) => serviceNames(service, namespace, "cluster.local"));

/** Puts there what the manifests, cert-manager and the kubelets would. */
async function install(api: Api): Promise<void> {
  await api.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  for (const object of objectsOf("default")) {
    // kinds of programs from elsewhere are not on this cluster
    if (object.kind === "Namespace" || /cert-manager|monitoring/.test(object.apiVersion)) continue;
    await api.apply(object, "test");
  }
  for (const name of Object.keys(certifiedServices)) {
    await api.apply(secret(name, authority.issue(name, namesOf(name))), "test");
  }
  await trust(api, authority.ca);
  await endpoints(api, true);
  for (const name of [installation.controller, installation.webhook]) await ready(api, "deployments", name, 2);
  await ready(api, "statefulsets", installation.hub, 1);
}

async function trust(api: Api, ca: string): Promise<void> {
  await api.patch(hook, [{ op: "add", path: "/webhooks/0/clientConfig/caBundle", value: base64(ca) }], "json-patch");
}

async function endpoints(api: Api, isReady: boolean): Promise<void> {
  await api.apply({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: "webhook",
      namespace,
      labels: { "kubernetes.io/service-name": installation.webhookService },
    },
    addressType: "IPv4",
    ports: [],
    endpoints: [{ addresses: ["10.0.0.7"], conditions: { ready: isReady } }],
  }, "test");
}

async function ready(api: Api, kind: string, name: string, count: number): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${namespace}/${kind}/${name}`;
  await api.patch(path, { spec: { replicas: Math.max(count, 1) } });
  await api.patch(`${path}/status`, { status: { replicas: Math.max(count, 1), readyReplicas: count } });
}

testOnCluster(test, "an installation in order has no fault, and each of ten that are planted is found", async () => {
  // without controllers nobody corrects what is planted
  await using bed = await startBed("--controllers=");
  using api = openApi(bed.kubeconfig);
  await install(api);
  const check = async (...argv: readonly string[]) => {
    const command = new Command(["check", "--kubeconfig", bed.kubeconfig, "--output", "json", ...argv]);
    const code = await within(30_000, "check", command.done);
    const { findings = [] } = JSON.parse(command.out || "{}") as { findings?: readonly CheckFinding[] };
    // the tests' certificates last a day, which is rightly to mind
    const found = findings.filter(({ state, message }) => state !== "ok" && !/^expires on /.test(message));
    for (const { hint, message } of found) assert.ok(hint !== "" && message !== "");
    return { code, err: command.err, found };
  };
  const clean = await check();
  assert.equal([clean.code, clean.found], [0, []], clean.err);
  assert.is((await check("--pre")).code, 0);

  const role = installation.controller;
  const rolePath = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${role}`;
  const rules = (await api.get(rolePath))["rules"] as readonly JsonObject[];
  const crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/engramtemplates.catalog.bubustack.io";
  const definition = await api.get(crd);
  const hubTls = (more: readonly string[], isExpired = false) =>
    api.apply(secret(installation.hubTls, authority.issue("hub", more, isExpired)), "test");
  const other = createAuthority("another");
  const engram = {
    apiVersion: "bubustack.io/v1alpha1",
    kind: "Engram",
    metadata: { name: "a", namespace: "default" },
    spec: { templateRef: { name: "t" }, mode: "deployment", transport: { tls: { secretRef: { name: "own" } } } },
  };
  const faults: readonly {
    readonly plant: () => Promise<unknown>;
    readonly mend: () => Promise<unknown>;
    readonly found: readonly [CheckFinding["state"], CheckFinding["area"], string, RegExp];
  }[] = [
    {
      plant: () => api.delete(crd).then(() => api.until(crd, (object) => object === undefined)),
      mend: async () => {
        const { metadata: { name, annotations }, spec, apiVersion, kind } = definition;
        await api.create({ apiVersion, kind, metadata: { name, annotations }, spec });
      },
      found: ["failed", "crds", "EngramTemplate (catalog.bubustack.io)", /is not defined/],
    },
    {
      plant: () => {
        const fewer = rules.filter((rule) => !(rule["resources"] as string[]).includes("storyruns/status"));
        return api.patch(rolePath, { rules: fewer });
      },
      mend: () => api.patch(rolePath, { rules }),
      found: ["failed", "access", role, /may not patch storyruns\/status\.runs\.bubustack\.io/],
    },
    {
      plant: () => api.delete(`/api/v1/namespaces/${namespace}/secrets/${installation.webhookTls}`),
      mend: () =>
        api.apply(secret(installation.webhookTls, authority.issue("w", namesOf(installation.webhookTls))), "test"),
      found: ["failed", "certificates", installation.webhookTls, /does not exist/],
    },
    {
      plant: () => hubTls(namesOf(installation.hubTls), true),
      mend: () => hubTls(namesOf(installation.hubTls)),
      found: ["failed", "certificates", installation.hubTls, /expired on/],
    },
    {
      plant: () => hubTls(namesOf(installation.hubTls).filter((name) => !name.startsWith("*."))),
      mend: () => hubTls(namesOf(installation.hubTls)),
      found: ["failed", "certificates", installation.hubTls, /does not bear \*\.bobravoz-grpc-hub-pods/],
    },
    {
      plant: () => {
        const { cert, key } = authority.issue("hub", namesOf(installation.hubTls));
        return api.apply(secret(installation.hubTls, { cert, key, ca: other.ca }), "test");
      },
      mend: () => hubTls(namesOf(installation.hubTls)),
      found: ["failed", "certificates", installation.hubTls, /ca\.crt did not sign/],
    },
    {
      plant: () => trust(api, other.ca),
      mend: () => trust(api, authority.ca),
      found: ["failed", "webhook", installation.webhookConfiguration, /caBundle did not sign/],
    },
    {
      plant: () => endpoints(api, false),
      mend: () => endpoints(api, true),
      found: ["failed", "webhook", installation.webhookConfiguration, /no pod is ready/],
    },
    {
      plant: () => ready(api, "statefulsets", installation.hub, 0),
      mend: () => ready(api, "statefulsets", installation.hub, 1),
      found: ["failed", "programs", installation.hub, /0 of 1 ready/],
    },
    {
      plant: async () => {
        const own = secret("own", authority.issue("own", ["a.elsewhere.svc.cluster.local"]), "default");
        await api.create(own);
        await api.create(engram);
      },
      mend: () => api.delete("/apis/bubustack.io/v1alpha1/namespaces/default/engrams/a"),
      found: ["warning", "identity", "default/a", /would be refused under enforce: .* proves elsewhere/],
    },
    {
      plant: () => api.delete(hook),
      mend: () => Promise.resolve(),
      found: ["failed", "webhook", installation.webhookConfiguration, /there is no such configuration/],
    },
  ];
  for (const { plant, mend, found: [state, area, subject, message] } of faults) {
    await plant();
    const { code, found } = await check();
    assert.ok(
      found.some((each) =>
        each.state === state && each.area === area && each.subject === subject && message.test(each.message)
      ),
      `${subject} ${message}: ${JSON.stringify(found)}`,
    );
    assert.is(found.length, 1, JSON.stringify(found));
    assert.is(code, state === "failed" ? 1 : 0);
    await mend();
  }
});

testOnCluster(test, "what cannot be reached or seen is said as that", async () => {
  await using bed = await startBed("--controllers=");
  const nobody = await bed.user("nobody-in-particular");
  const check = async (...argv: readonly string[]) => {
    const command = new Command(["check", "--output", "json", ...argv]);
    return { code: await within(30_000, "check", command.done), out: command.out };
  };
  const { out } = await check("--kubeconfig", nobody);
  const { findings } = JSON.parse(out) as { findings: readonly CheckFinding[] };
  assert.ok(findings.filter(({ state }) => state === "unknown").every(({ hint }) => /administrator/.test(hint)));
  assert.equal(findings.filter(({ state }) => state === "failed"), []);
  const pre = await check("--pre", "--kubeconfig", nobody);
  assert.is(pre.code, 1);
  assert.match(pre.out, "install as a cluster administrator");
  const unreached = await check("--kubeconfig", bed.kubeconfig, "--hub", "127.0.0.1:1");
  assert.match(unreached.out, "nothing answers at 127.0.0.1:1");
  await bed.command("stop kube-apiserver");
  const down = await check("--kubeconfig", bed.kubeconfig);
  assert.is(down.code, 1);
  assert.match(down.out, "is the cluster up");
});

test.run();
