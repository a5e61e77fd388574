/**
 * What `kubectl apply -k` reads. `base` is every object without certificates; components add a choice to it; a folder
 * beside them is an installation that may be applied as it is.
 */
import { injection, webhookConfiguration } from "./admission.ts";
import { operatorConfig } from "./config.ts";
import { definitionOf, fileOf } from "./crds/definition.ts";
import { kinds } from "./crds/kinds.ts";
import { names, namespace } from "./names.ts";
import {
  autoscalingPart,
  baseParts,
  certManagerPart,
  monitorPart,
  type Part,
  selfContainedPart,
  sharedAuthorityPart,
} from "./parts.ts";
import { sampleNamespace, samples } from "./samples.ts";
import { type Manifest, type Node, plain } from "./values.ts";
import { toYaml, toYamls } from "./yaml.ts";

type File = readonly [path: string, text: string];

export function renderKustomize(): readonly File[] {
  return [
    ...crds(),
    ...folder("namespace", [{ file: "namespace", objects: [ownNamespace] }]),
    ...folder("base", baseParts),
    ...folder("shared-ca", [sharedAuthorityPart]),
    ...folder("samples", [
      { file: "namespace", objects: [sampleNamespace] },
      { file: "sample", objects: samples },
    ]),
    ...component("self-contained", [selfContainedPart]),
    ...component("cert-manager", [certManagerPart], [patchOf(webhookConfiguration, { annotations: injection })]),
    ...component("service-monitor", [monitorPart]),
    ...component("enforce-identity", [], [configPatch({ "hub.identity": "enforce" })]),
    ...component("scale-to-zero", [], [configPatch({ "hub.scaleToZero": "true" })], [withoutReplicas]),
    ...component("hub-autoscaling", [autoscalingPart], [], [withoutReplicas]),
    ...installation("default", "self-contained"),
    ...installation("cert-manager", "cert-manager"),
    ...installation("enforce-identity", "self-contained", "enforce-identity"),
    ...installation("scale-to-zero", "self-contained", "scale-to-zero"),
  ];
}

/** How many hubs there are is somebody else's to say. */
const withoutReplicas: Node = {
  target: { kind: "StatefulSet", name: names.hub },
  // null: no fault where another component has taken it out already
  patch: toYaml({
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: names.hub },
    spec: { replicas: null },
  }),
};

const ownNamespace: Manifest = {
  apiVersion: "v1",
  kind: "Namespace",
  metadata: {
    name: namespace,
    // told and logged, not refused: the namespace is the workflow operator's too
    labels: { "pod-security.kubernetes.io/warn": "restricted", "pod-security.kubernetes.io/audit": "restricted" },
  },
};

function kustomization(kind: "Kustomization" | "Component", fields: Readonly<Record<string, Node>>): string {
  const version = kind === "Component" ? "v1alpha1" : "v1beta1";
  return toYaml({ apiVersion: `kustomize.config.k8s.io/${version}`, kind, ...fields });
}

/** `.yml`: whatever ends in `.yaml` there is a definition. */
function crds(): readonly File[] {
  return [
    ...kinds.map((kind): File => [`crds/${fileOf(kind)}`, toYaml(definitionOf(kind))]),
    ["crds/kustomization.yml", kustomization("Kustomization", { resources: kinds.map(fileOf) })],
  ];
}

function filesOf(path: string, parts: readonly Part[]): readonly File[] {
  return parts.map(({ file, objects }): File => [`${path}/${file}.yaml`, toYamls(objects)]);
}

function folder(path: string, parts: readonly Part[]): readonly File[] {
  return [
    [
      `${path}/kustomization.yaml`,
      kustomization("Kustomization", { resources: parts.map(({ file }) => `${file}.yaml`) }),
    ],
    ...filesOf(path, parts),
  ];
}

function component(
  name: string,
  parts: readonly Part[],
  merges: readonly Node[] = [],
  edits: readonly Node[] = [],
): readonly File[] {
  const path = `components/${name}`;
  const patches: readonly Node[] = [...merges.map((patch) => ({ patch: toYaml(patch) })), ...edits];
  return [
    [
      `${path}/kustomization.yaml`,
      kustomization("Component", {
        ...parts.length === 0 ? {} : { resources: parts.map(({ file }) => `${file}.yaml`) },
        ...patches.length === 0 ? {} : { patches },
      }),
    ],
    ...filesOf(path, parts),
  ];
}

function installation(name: string, ...components: readonly string[]): readonly File[] {
  return [[
    `${name}/kustomization.yaml`,
    kustomization("Kustomization", {
      resources: ["../namespace", "../base"],
      components: components.map((component) => `../components/${component}`),
    }),
  ]];
}

/** A strategic merge patch that adds to the metadata of an object. */
function patchOf(manifest: Manifest, metadata: Readonly<Record<string, Node>>): Node {
  const { apiVersion, kind, metadata: { name } } = plain(manifest) as unknown as {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: { readonly name: string };
  };
  return { apiVersion, kind, metadata: { name, ...metadata } };
}

function configPatch(data: Readonly<Record<string, string>>): Node {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: names.config, namespace: plain((operatorConfig["metadata"] as Manifest)["namespace"]!) },
    data,
  };
}
