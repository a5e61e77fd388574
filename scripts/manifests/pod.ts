/** What the pods of all programs have in common: restricted security, probes, certificates, environment. */
import { clusterDomain, names, type Program, selectorOf, valuesOf } from "./names.ts";
import { join, keyUnlessEmpty, type Node, slot, when } from "./values.ts";
import { version } from "./version.ts";

/** The image of every program, without its tag. */
export const publishedImage = "ghcr.io/bubustack/bobravoz-grpc";

const image = join(
  slot("controllerManager.manager.image.repository", publishedImage),
  ":",
  slot("controllerManager.manager.image.tag", version),
);

/** Certificates by volume: the Secret and where its files are (control-plane 8.6). */
export const mounts = {
  "hub-tls": { secret: names.hubTls, path: "/var/run/hub-tls" },
  "webhook-cert": { secret: names.webhookTls, path: "/tmp/k8s-webhook-server/serving-certs" },
  "metrics-cert": { secret: names.metricsTls, path: "/tmp/k8s-metrics-server/metrics-certs" },
} as const;

export type Mount = keyof typeof mounts;

/** The pod's own name and namespace, and where the hubs are (control-plane 6.5, O-40). */
export const ownEnv: readonly Node[] = [
  { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
  { name: "POD_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
  { name: "BUBU_HUB_SERVICE_NAME", value: names.hub },
  { name: "BUBU_HUB_SERVICE_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
  { name: "BUBU_HUB_CLUSTER_DOMAIN", value: join("svc.", clusterDomain) },
];

const overrides = [
  ["CONNECTOR_IMAGE", "controllerManager.manager.env.connectorImage"],
  ["CONNECTOR_IMAGE_PULL_POLICY", "controllerManager.manager.env.connectorImagePullPolicy"],
] as const;

/** The connector image where the operator's configuration is to be overruled (control-plane O-20). */
export const connectorEnv: readonly Node[] = overrides.flatMap(([name, path]) =>
  when({ expression: `.Values.${path}`, holds: false }, { name, value: slot(path, "") })
);

export interface PodDescription {
  readonly program: Program;
  /** Name of its container. */
  readonly container: string;
  readonly command: readonly string[];
  readonly args: Node;
  readonly env: readonly Node[];
  readonly ports: Readonly<Record<string, number>>;
  readonly mounts: readonly Mount[];
  readonly resources: Node;
  readonly graceSeconds: number;
  readonly hasProbes: boolean;
}

/** Template of the program's pods. */
export function podOf(pod: PodDescription): Node {
  const values = valuesOf(pod.program);
  const probe = (path: string, delay: number, period: number) => ({
    httpGet: { path, port: "probes" },
    initialDelaySeconds: delay,
    periodSeconds: period,
    timeoutSeconds: 5,
  });
  const container = pod.program === "controller" ? `${values}.manager` : values;
  return {
    metadata: {
      labels: { ...selectorOf(pod.program), ...pod.ports["metrics"] === undefined ? {} : metricsLabel },
      annotations: { "kubectl.kubernetes.io/default-container": pod.container },
    },
    spec: {
      serviceAccountName: names[pod.program],
      terminationGracePeriodSeconds: pod.graceSeconds,
      securityContext: slot(`${values}.podSecurityContext`, {
        runAsNonRoot: true,
        runAsUser: 65532,
        runAsGroup: 65532,
        fsGroup: 65532,
        seccompProfile: { type: "RuntimeDefault" },
      }),
      ...keyUnlessEmpty("nodeSelector", `${values}.nodeSelector`, {}),
      ...keyUnlessEmpty("tolerations", `${values}.tolerations`, []),
      topologySpreadConstraints: slot(`${values}.topologySpreadConstraints`, [{
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "ScheduleAnyway",
        labelSelector: { matchLabels: selectorOf(pod.program) },
      }]),
      containers: [{
        name: pod.container,
        image,
        imagePullPolicy: slot("controllerManager.manager.image.pullPolicy", "IfNotPresent"),
        command: pod.command,
        args: pod.args,
        env: pod.env,
        ...filled(
          "ports",
          Object.entries(pod.ports).map(([name, port]) => ({ name, containerPort: port, protocol: "TCP" })),
        ),
        ...pod.hasProbes ? { livenessProbe: probe("/healthz", 15, 20), readinessProbe: probe("/readyz", 1, 5) } : {},
        resources: slot(`${container}.resources`, pod.resources as never),
        securityContext: slot(`${container}.containerSecurityContext`, {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
        }),
        ...filled(
          "volumeMounts",
          pod.mounts.map((name) => ({ name, mountPath: mounts[name].path, readOnly: true })),
        ),
      }],
      // by key: a pod waits until its certificate is there, instead of starting without it
      ...filled(
        "volumes",
        pod.mounts.map((name) => ({
          name,
          secret: {
            secretName: mounts[name].secret,
            items: ["tls.crt", "tls.key", "ca.crt"].map((file) => ({ key: file, path: file })),
          },
        })),
      ),
    },
  };
}

/** Of every pod with metrics. */
export const metricsLabel = { "bobravoz.bubustack.io/metrics": "true" } as const;

/** A key with its list; none where the list is empty, which the API server would drop. */
function filled(key: string, list: readonly Node[]): Readonly<Record<string, Node>> {
  return list.length === 0 ? {} : { [key]: list };
}
