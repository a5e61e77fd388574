/** The programs as workloads: controller, webhook, hub, and the keeper of certificates. */
import { isScaled } from "./config.ts";
import { metadata, names, ports, type Program, selectorOf, valuesOf } from "./names.ts";
import { connectorEnv, mounts, ownEnv, type PodDescription, podOf } from "./pod.ts";
import { type Condition, keysWhen, type Manifest, slot } from "./values.ts";

const program = (name: string) => ["node", "/app/bobravoz.mjs", name];

const probesAt = `--health-probe-bind-address=:${ports.probes}`;
const metricsAt = [`--metrics-bind-address=:${ports.metrics}`, `--metrics-cert-path=${mounts["metrics-cert"].path}`];
const configAt = ["--config-namespace=$(POD_NAMESPACE)", `--config-name=${names.config}`];

function memory(request: string, limit: string, cpu = "50m") {
  return { requests: { cpu, memory: request }, limits: { memory: limit } };
}

const controllerPod: PodDescription = {
  program: "controller",
  container: "manager",
  command: program("controller"),
  args: slot("controllerManager.manager.args", ["--leader-elect", probesAt, ...metricsAt, ...configAt]),
  env: [...ownEnv, ...connectorEnv],
  ports: { discovery: ports.discovery, metrics: ports.metrics, probes: ports.probes },
  mounts: ["hub-tls", "metrics-cert"],
  resources: memory("256Mi", "768Mi", "100m"),
  graceSeconds: 10,
  hasProbes: true,
};

const webhookPod: PodDescription = {
  program: "webhook",
  // whose image a connector has when none is configured (control-plane O-22)
  container: "manager",
  command: program("webhook"),
  args: slot("webhook.args", [
    probesAt,
    ...metricsAt,
    ...configAt,
    `--webhook-cert-path=${mounts["webhook-cert"].path}`,
  ]),
  env: [...ownEnv, ...connectorEnv],
  ports: { webhook: ports.webhook, metrics: ports.metrics, probes: ports.probes },
  mounts: ["webhook-cert", "metrics-cert"],
  resources: memory("192Mi", "384Mi"),
  graceSeconds: 15,
  hasProbes: true,
};

const hubPod: PodDescription = {
  program: "hub",
  container: "hub",
  command: ["node", "/app/hub.mjs"],
  args: slot("hub.args", [
    "--in-cluster",
    `--listen=0.0.0.0:${ports.hub}`,
    probesAt,
    ...metricsAt,
    ...configAt,
  ]),
  env: ownEnv,
  ports: { hub: ports.hub, metrics: ports.metrics, probes: ports.probes },
  mounts: ["hub-tls", "metrics-cert"],
  resources: memory("256Mi", "1Gi", "250m"),
  graceSeconds: 30,
  hasProbes: true,
};

const certificatesPod: PodDescription = {
  program: "certificates",
  container: "certificates",
  command: program("certificates"),
  args: ["--namespace=$(POD_NAMESPACE)", `--webhook-configuration=${names.webhookConfiguration}`],
  env: ownEnv,
  ports: {},
  mounts: [],
  resources: memory("160Mi", "320Mi", "10m"),
  graceSeconds: 5,
  hasProbes: false,
};

function deployment(pod: PodDescription, replicas: number, more: Manifest = {}): Manifest {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadata(names[pod.program], pod.program),
    spec: {
      replicas: slot(`${valuesOf(pod.program)}.replicas`, replicas),
      selector: { matchLabels: selectorOf(pod.program) },
      ...more,
      template: podOf(pod),
    },
  };
}

/** Elects a leader; every replica serves discovery. */
export const controller = deployment(controllerPod, 2);

export const webhook = deployment(webhookPod, 2);

/** Its pods are told apart by their names; their number is said only where nobody scales them. */
export const hub: Manifest = {
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: metadata(names.hub, "hub"),
  spec: {
    ...keysWhen({ expression: `not (${isScaled.expression})`, holds: !isScaled.holds }, {
      replicas: slot("hub.replicas", 1),
    }),
    serviceName: names.hubPods,
    podManagementPolicy: "Parallel",
    selector: { matchLabels: selectorOf("hub") },
    template: podOf(hubPod),
  },
};

/** Where cert-manager is not: one process that makes certificates and renews them. */
export const certificates = deployment(certificatesPod, 1, { strategy: { type: "Recreate" } });

const isGuarded: Condition = { expression: ".Values.podDisruptionBudget.enabled", holds: true };

/** Of those that may be several: a node is emptied one of them at a time. */
export const disruptionBudgets: { readonly condition: Condition; readonly objects: readonly Manifest[] } = {
  condition: isGuarded,
  objects: (["controller", "webhook", "hub"] as const satisfies readonly Program[]).map((program) => ({
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: metadata(names[program], program),
    spec: { maxUnavailable: 1, selector: { matchLabels: selectorOf(program) } },
  })),
};

/** Between one hub and several, by the streams that each holds; needs an adapter that serves pods' metrics. */
export const autoscaler: Manifest = {
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  metadata: metadata(names.hub, "hub"),
  spec: {
    scaleTargetRef: { apiVersion: "apps/v1", kind: "StatefulSet", name: names.hub },
    minReplicas: slot("hub.autoscaling.minReplicas", 1),
    maxReplicas: slot("hub.autoscaling.maxReplicas", 8),
    metrics: [{
      type: "Pods",
      pods: {
        metric: { name: "bobravoz_hub_active_streams" },
        target: { type: "AverageValue", averageValue: slot("hub.autoscaling.activeStreams", "500") },
      },
    }],
    // a hub that goes moves its runs
    behavior: {
      scaleDown: { stabilizationWindowSeconds: 600, policies: [{ type: "Pods", value: 1, periodSeconds: 300 }] },
    },
  },
};
