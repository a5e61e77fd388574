/** The Helm chart: the same objects, with expressions where the chart's values go. */
import { allParts, type Part } from "./parts.ts";
import { isSlot, known, type Manifest, type Node, plain } from "./values.ts";
import { version } from "./version.ts";
import { toTemplate, toYaml } from "./yaml.ts";

type File = readonly [path: string, text: string];

/** Its name where none is asked for. */
export const chartName = "bobravoz-grpc";

/** What no object asks for by itself. */
const decisions: Readonly<Record<string, Node>> = {
  "kubernetesClusterDomain": "cluster.local",
  "certificates.mode": "auto",
  "certificates.createSharedIssuer": false,
  "networkPolicy.enabled": true,
  "podDisruptionBudget.enabled": true,
  "metrics.serviceMonitor.enabled": false,
  "hub.autoscaling.enabled": false,
};

export function renderChart(name = chartName): readonly File[] {
  return [
    ["Chart.yaml", chartYaml(name)],
    [".helmignore", ".git\n*.tgz\n"],
    ["values.yaml", valuesYaml()],
    ["templates/_helpers.tpl", helpers],
    ["templates/NOTES.txt", notes],
    ...allParts.map((part): File => [`templates/${part.file}.yaml`, templateOf(part)]),
  ];
}

function templateOf({ objects, condition }: Part): string {
  const text = objects.map((object) => toTemplate(labelled(object))).join("---\n");
  return condition === undefined ? text : `{{- if ${condition.expression} }}\n${text}{{- end }}\n`;
}

/** The labels by which Helm's users find what belongs to a release. */
function labelled(object: Manifest): Manifest {
  const metadata = object["metadata"] as Manifest; // every object has it
  return {
    ...object,
    metadata: {
      ...metadata,
      labels: {
        ...metadata["labels"] as Manifest | undefined,
        "app.kubernetes.io/instance": known(".Release.Name", ""),
        "app.kubernetes.io/managed-by": known(".Release.Service", ""),
        "helm.sh/chart": known(`printf "%s-%s" .Chart.Name .Chart.Version`, ""),
      },
    },
  };
}

/** Every value that some slot reads, with its default. */
function valuesYaml(): string {
  const values = new Map<string, Node>();
  const visit = (node: Node): void => {
    if (isSlot(node)) {
      const path = /^\.Values\.([\w.]+)$/.exec(node.expression)?.[1];
      if (node.slot === "value" && path !== undefined) values.set(path, plain(node));
      for (const inner of node.parts ?? []) visit(inner);
    } else if (typeof node === "object" && node !== null) Object.values(node).forEach((child) => visit(child as Node));
  };
  for (const { objects } of allParts) objects.forEach(visit);
  for (const [path, value] of Object.entries(decisions)) values.set(path, value);
  const tree: Record<string, unknown> = {};
  for (const [path, value] of [...values].sort(([a], [b]) => a < b ? -1 : 1)) put(tree, path.split("."), value);
  return `${valuesHead}${toYaml(tree as Node)}`;
}

function put(tree: Record<string, unknown>, path: readonly string[], value: Node): void {
  const [first = "", ...rest] = path;
  if (rest.length === 0) tree[first] = value;
  else put((tree[first] ??= {}) as Record<string, unknown>, rest, value);
}

function chartYaml(name: string): string {
  return toYaml({
    apiVersion: "v2",
    name,
    description: "Transport hub, topology and connectors for realtime Stories of the bobrapet workflow operator",
    type: "application",
    version,
    appVersion: version,
    // selectable fields of custom resources
    kubeVersion: ">=1.31.0-0",
  });
}

const valuesHead =
  `# Every value of the chart with its default. certificates.mode: cert-manager, self-contained, none (the Secrets are made
# by other means), or auto: cert-manager where the cluster has it, else self-contained. operatorConfig: the keys of the
# operator's ConfigMap, hub.buffer-max-messages as hubBufferMaxMessages and so on.
`;

const helpers = `{{/* Who makes the certificates: cert-manager, self-contained or none. */}}
{{- define "bobravoz.certificates" -}}
{{- $mode := .Values.certificates.mode -}}
{{- if not (has $mode (list "auto" "cert-manager" "self-contained" "none")) -}}
{{- fail (printf "certificates.mode is auto, cert-manager, self-contained or none, not %q" $mode) -}}
{{- end -}}
{{- if ne $mode "auto" -}}
{{- $mode -}}
{{- else if .Capabilities.APIVersions.Has "cert-manager.io/v1" -}}
cert-manager
{{- else -}}
self-contained
{{- end -}}
{{- end -}}
`;

const notes =
  `bobravoz {{ .Chart.AppVersion }} is in namespace {{ .Release.Namespace }}; certificates: {{ include "bobravoz.certificates" . }}.

  kubectl -n {{ .Release.Namespace }} get deployments,statefulsets
  bobravoz check
`;
