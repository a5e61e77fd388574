/** The manifests as they are rendered: one source for kustomize and chart, and what they grant, open and certify. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { stringify } from "yaml";
import { names, type Program } from "../scripts/manifests/names.ts";
import { permissionsOf as purposesOf } from "../src/contract/permissions.ts";
import { renderAll } from "../scripts/manifests/render.ts";
import { operatorKeys } from "../src/contract/operator-keys.ts";
import type { ApiObject } from "./support/apiserver/api.ts";
import { objectsOf, parse, permissionsOf, rolesOf, withoutVerb } from "./support/manifests.ts";
import { lacking, leaveOut, root, testWithTool } from "./support/tools.ts";

const it = suite("manifests");
const folder = join(root, "manifests");
const scratch = mkdtempSync(join(realpathSync(tmpdir()), "bobravoz-charts-"));

it.after(() => rmSync(scratch, { recursive: true, force: true }));

it("every file is what its source renders, and no other is there", () => {
  const wanted = renderAll();
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  assert.equal(found.sort(), [...wanted.keys()].sort());
  for (const [path, text] of wanted) assert.is(readFileSync(join(folder, path), "utf8"), text, path);
});

/** What both renderings are compared by: labels of the chart's own left out. */
function comparable(objects: readonly ApiObject[]): Record<string, unknown> {
  const ofHelm = new Set(["app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"]);
  return Object.fromEntries(
    objects.map(({ metadata, ...object }) => {
      const { labels, ...rest } = metadata as unknown as { readonly labels: Record<string, string> };
      const kept = Object.entries(labels).filter(([key]) => !ofHelm.has(key)).sort();
      const key = `${object.kind} ${metadata.namespace ?? ""}/${metadata.name}`;
      return [key, { ...object, metadata: { ...rest, labels: Object.fromEntries(kept) } }] as const;
    }).sort(([a], [b]) => a < b ? -1 : 1),
  );
}

const variants = [
  { installation: "default", also: [], args: [] },
  { installation: "cert-manager", also: [], args: ["--api-versions", "cert-manager.io/v1"] },
  {
    installation: "cert-manager",
    also: ["shared-ca"],
    args: ["--set", "certificates.mode=cert-manager", "--set", "certificates.createSharedIssuer=true"],
  },
  { installation: "enforce-identity", also: [], args: ["--set", "operatorConfig.hubIdentity=enforce"] },
  { installation: "scale-to-zero", also: [], args: ["--set-string", "operatorConfig.hubScaleToZero=true"] },
  { installation: "scale-to-zero", also: [], args: ["--set", "operatorConfig.hubScaleToZero=true"] },
] as const;

for (const { installation, also, args } of variants) {
  testWithKustomize(
    `the chart with ${args.join(" ") || "its defaults"} is the installation ${installation}`,
    (helm) => {
      const applied = [installation, ...also].flatMap((name) => objects("kubectl", "kustomize", join(folder, name)));
      const release = ["template", "release", join(folder, "chart"), "--namespace", "bobrapet-system"];
      const rendered = comparable(objects(helm, ...release, ...args));
      const wanted = comparable(applied.filter(({ kind }) => kind !== "Namespace"));
      assert.equal(Object.keys(rendered), Object.keys(wanted));
      for (const key of Object.keys(wanted)) assert.equal(rendered[key], wanted[key], key);
    },
  );
}

testWithKustomize("every component goes with every other, in the chart too", (helm) => {
  const site = join(scratch, "site");
  mkdirSync(site);
  const components = ["self-contained", "enforce-identity", "scale-to-zero", "hub-autoscaling", "service-monitor"];
  const from = relative(site, folder);
  writeFileSync(
    join(site, "kustomization.yaml"),
    stringify({
      resources: [`${from}/base`],
      components: components.map((component) => `${from}/components/${component}`),
    }),
  );
  const args = [
    "operatorConfig.hubIdentity=enforce",
    "operatorConfig.hubScaleToZero=true",
    "hub.autoscaling.enabled=true",
  ];
  const set = [...args, "metrics.serviceMonitor.enabled=true"].flatMap((each) => ["--set", each]);
  const rendered = objects(helm, "template", "release", join(folder, "chart"), "-n", "bobrapet-system", ...set);
  assert.equal(comparable(rendered), comparable(objects("kubectl", "kustomize", site)));
});

testWithKustomize("npm run deploy puts its image into every program, with registry port, digest or neither", () => {
  const images = [
    ["registry.example:5000/a/bobravoz:dev", "registry.example:5000/a/bobravoz:dev"],
    ["registry.example:5000/bobravoz", "registry.example:5000/bobravoz:latest"],
    [`bobravoz@sha256:${"a".repeat(64)}`, `bobravoz@sha256:${"a".repeat(64)}`],
  ] as const;
  for (const [image, wanted] of images) {
    const all = objects(process.execPath, join(root, "scripts", "deploy.ts"), image, "--dry-run");
    const found = all.flatMap(({ spec }) => spec?.template?.spec.containers ?? []).map(({ image }) => image);
    assert.equal(found, [wanted, wanted, wanted, wanted]);
  }
  const none = ran(process.execPath, join(root, "scripts", "deploy.ts"));
  assert.is(none.status, 2);
  assert.match(none.stderr, "the image is missing");
});

testWithTool(it, "helm", "the chart refuses a mode of certificates that it does not know", (helm) => {
  const { status, stderr } = ran(
    helm,
    "template",
    "r",
    join(folder, "chart"),
    "--set",
    "certificates.mode=cert_manager",
  );
  assert.is(status, 1);
  assert.match(stderr, "certificates.mode is auto, cert-manager, self-contained or none");
});

testWithTool(it, "helm", "the chart passes Helm's lint, also strictly and with every choice made", (helm) => {
  for (const { args } of variants) {
    const set = args.filter((arg) => arg !== "--api-versions" && arg !== "cert-manager.io/v1");
    const { status, stdout } = ran(helm, "lint", "--strict", join(folder, "chart"), ...set);
    assert.is(status, 0, stdout);
  }
});

testWithTool(it, "helm", "the packed chart renders as the folder does, under the name that it was given", (helm) => {
  const packed = ran(process.execPath, join(root, "scripts", "helm-chart.ts"), "my-transport", "--out", scratch);
  assert.is(packed.status, 0, packed.stderr);
  const archive = packed.stdout.trim();
  assert.match(archive, /my-transport-[\d.]+\.tgz$/);
  assert.equal(
    comparable(objects(helm, "template", "r", archive)),
    comparable(objects(helm, "template", "r", join(folder, "chart"))),
  );
});

function testWithKustomize(name: string, handler: (helm: string) => void): void {
  const lacks = lacking("kubectl");
  if (lacks === null) testWithTool(it, "helm", name, handler);
  else leaveOut(it, lacks, name);
}

function ran(program: string, ...args: readonly string[]) {
  return spawnSync(program, args, { encoding: "utf8", timeout: 30_000, maxBuffer: 1 << 26 });
}

function objects(program: string, ...args: readonly string[]): readonly ApiObject[] {
  const { status, stdout, stderr } = ran(program, ...args);
  assert.is(status, 0, stderr);
  return parse(stdout) as ApiObject[]; // what these print
}

it("every key of the operator's configuration is in the ConfigMap, and no other", () => {
  const [config] = objectsOf("default").filter(({ kind }) => kind === "ConfigMap");
  assert.equal(Object.keys(config!["data"]).sort(), Object.keys(operatorKeys).sort());
});

const programs = ["controller", "webhook", "hub", "certificates"] as const satisfies readonly Program[];

it("C-105 each verb of each role is for a request that is named, and none is a wildcard", () => {
  for (const program of programs) {
    const { cluster, namespaced } = purposesOf(names)[program];
    const purposes = [...cluster, ...namespaced].flatMap(({ group, resource, verbs }) =>
      Object.entries(verbs).map(([verb, purpose]) => {
        assert.ok(purpose.length > 10, `${program}: ${verb} ${resource}`);
        return `${group}/${resource} ${verb}`;
      })
    );
    const granted = rolesOf(names[program]).flatMap(permissionsOf).map(({ group, resource, verb }) =>
      `${group}/${resource} ${verb}`
    );
    assert.equal([...granted].sort(), [...purposes].sort(), program);
    assert.equal(granted.filter((permission) => permission.includes("*")), []);
  }
});

it("C-105 a role without one verb has every other", () => {
  for (const role of programs.flatMap((program) => rolesOf(names[program]))) {
    const whole = permissionsOf(role);
    for (const permission of whole) assert.is(permissionsOf(withoutVerb(permission)).length, whole.length - 1);
  }
});

it("C-105 nothing writes Secrets but the keeper of certificates, and that only its own four", () => {
  const writers = programs.filter((program) =>
    rolesOf(names[program]).flatMap(permissionsOf).some(({ resource }) => resource === "secrets")
  );
  assert.equal(writers, ["certificates"]);
  const rule = rolesOf(names.certificates).flatMap(({ rules }) => rules)
    .find(({ resources }) => resources?.includes("secrets"));
  assert.equal(rule?.resourceNames, [names.ca, names.hubTls, names.webhookTls, names.metricsTls]);
  assert.equal(rule?.verbs, ["get", "patch"]);
});

type Labels = Readonly<Record<string, string>>;
interface Peer {
  readonly pod: Labels;
  readonly namespace: Labels;
}

/** Whether the policies let `from` reach `port` of a pod with these labels, as Kubernetes defines it. */
function lets(from: Peer, to: Labels, port: number): boolean {
  const matches = (selector: { readonly matchLabels?: Labels } | undefined, labels: Labels) =>
    Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  const policies = objectsOf("default").filter(({ kind, spec }) =>
    kind === "NetworkPolicy" && matches(spec.podSelector, to)
  );
  return policies.length === 0 ||
    policies.some(({ spec }) =>
      spec.ingress.some((rule: { ports: { port: number }[]; from?: Record<string, { matchLabels?: Labels }>[] }) =>
        rule.ports.some((each) => each.port === port) &&
        (rule.from === undefined || rule.from.some(({ namespaceSelector, podSelector }) =>
          // of another namespace only where namespaces are selected
          namespaceSelector !== undefined && matches(namespaceSelector, from.namespace) &&
          matches(podSelector, from.pod)
        ))
      )
    );
}

it("C-106 connectors, Prometheus, the API server and the kubelet come in where they must, and nobody else", () => {
  const connector = { pod: { "transport.bobravoz.bubustack.io/connector": "true" }, namespace: {} };
  const prometheus = { pod: { app: "prometheus" }, namespace: { metrics: "enabled" } };
  const anybody = { pod: {}, namespace: {} }; // the API server and the kubelet have no labels either
  const open: Readonly<Record<string, readonly (readonly [number, Peer])[]>> = {
    controller: [[9100, connector], [8443, prometheus], [8081, anybody]],
    webhook: [[9443, anybody], [8443, prometheus], [8081, anybody]],
    hub: [[9000, connector], [8443, prometheus], [8081, anybody]],
    certificates: [[8081, anybody]],
  };
  const pods = objectsOf("default").filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet");
  for (const program of programs) {
    const pod = pods.find(({ metadata }) => metadata.name === names[program])?.["spec"].template.metadata.labels;
    for (const peer of [connector, prometheus, anybody]) {
      for (const port of [22, 443, 8080, 8081, 8443, 9000, 9100, 9443]) {
        const wanted = open[program]!.some(([at, who]) => at === port && (who === peer || who === anybody));
        assert.is(lets(peer, pod, port), wanted, `${program}:${port} from ${JSON.stringify(peer)}`);
      }
    }
  }
});

it("C-106 every port that a Service leads to is a port of its pods, and some policy lets somebody in there", () => {
  const all = objectsOf("default");
  const pods = all.filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet").map(({ spec }) =>
    spec.template
  );
  for (const { metadata, spec } of all.filter(({ kind }) => kind === "Service")) {
    const selected = pods.filter(({ metadata: { labels } }) =>
      Object.entries(spec.selector).every(([key, value]) => labels[key] === value)
    );
    assert.ok(selected.length > 0, metadata.name);
    for (const pod of selected) {
      for (const { targetPort } of spec.ports) {
        const port = pod.spec.containers[0].ports.find(({ name }: { readonly name: string }) => name === targetPort);
        assert.ok(port !== undefined, `${metadata.name} to ${targetPort}`);
        const everybody = {
          pod: { "transport.bobravoz.bubustack.io/connector": "true" },
          namespace: { metrics: "enabled" },
        };
        assert.ok(lets(everybody, pod.metadata.labels, port.containerPort), `${metadata.name}: ${port.containerPort}`);
      }
    }
  }
});

it("C-107 certificates have the names of their Services, and the hub's those of its pods", () => {
  const certificates = Object.fromEntries(
    objectsOf("cert-manager").filter(({ kind }) => kind === "Certificate").map((
      { spec },
    ) => [spec.secretName, spec.dnsNames]),
  );
  const both = (name: string) => [`${name}.bobrapet-system.svc`, `${name}.bobrapet-system.svc.cluster.local`];
  assert.equal(certificates, {
    "bobravoz-grpc-hub-tls": [
      ...both("bobravoz-grpc-hub"),
      ...both("*.bobravoz-grpc-hub-pods"),
      ...both("bobravoz-grpc-discovery"),
    ],
    "bobravoz-grpc-webhook-server-cert": both("bobravoz-grpc-webhook-service"),
    "bobravoz-grpc-metrics-server-cert": both("bobravoz-grpc-controller-manager-metrics-service"),
  });
});

it("C-107 what a pod mounts of a Secret are files that follow it", () => {
  for (const { metadata, spec } of objectsOf("default")) {
    for (const { mountPath, subPath } of spec?.template?.spec.containers[0].volumeMounts ?? []) {
      // a file mounted by itself is never renewed
      assert.is(subPath, undefined, `${metadata.name}: ${mountPath}`);
    }
  }
});

it.run();
