/** Names of the objects that an installation is made of, and of its certificates (control-plane 8.6, ARCHITECTURE 4). */

export const installation = {
  namespace: "bobrapet-system",
  controller: "bobravoz-grpc-controller-manager",
  webhook: "bobravoz-grpc-webhook",
  hub: "bobravoz-grpc-hub",
  certificates: "bobravoz-grpc-certificates",
  hubPods: "bobravoz-grpc-hub-pods",
  discovery: "bobravoz-grpc-discovery",
  metricsService: "bobravoz-grpc-controller-manager-metrics-service",
  webhookService: "bobravoz-grpc-webhook-service",
  config: "bobravoz-grpc-operator-config",
  ca: "bobravoz-grpc-ca",
  hubTls: "bobravoz-grpc-hub-tls",
  webhookTls: "bobravoz-grpc-webhook-server-cert",
  metricsTls: "bobravoz-grpc-metrics-server-cert",
  webhookConfiguration: "bobravoz-grpc-transport-connector-mutating-webhook-configuration",
  /** The existing operator's on purpose: the two never lead at the same time. */
  lease: "184655c9.bubustack.io",
} as const;

/** Secret of each certificate → the Services whose names it bears; `*.` stands for the pods behind one. */
export const certifiedServices: Readonly<Record<string, readonly string[]>> = {
  [installation.hubTls]: [installation.hub, `*.${installation.hubPods}`, installation.discovery],
  [installation.webhookTls]: [installation.webhookService],
  [installation.metricsTls]: [installation.metricsService],
};

/** The names under which a Service is dialled: `SERVICE.NAMESPACE.svc`, and with the domain of the cluster. */
export function serviceNames(service: string, namespace: string, clusterDomain: string): readonly string[] {
  return [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.${clusterDomain}`];
}
