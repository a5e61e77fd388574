/** Services, who may reach which port (control-plane 8.6, C-106), and what scrapes the metrics. */
import { commonLabels, metadata, names, ports, type Program, selectorOf } from "./names.ts";
import { metricsLabel } from "./pod.ts";
import { type Manifest, type Node, slot } from "./values.ts";

interface ServiceDescription {
  readonly name: string;
  readonly program?: Program;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: Node;
  readonly more?: Readonly<Record<string, Node>>;
}

function service({ name, program, selector, ports, more = {} }: ServiceDescription): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(name, program),
    spec: { ...more, selector, ports },
  };
}

function port(name: string, port: number, targetPort: string = name): Node {
  return { name, port, targetPort, protocol: "TCP" };
}

export const services: readonly Manifest[] = [
  service({
    name: names.hub,
    program: "hub",
    selector: selectorOf("hub"),
    ports: [port("grpc", ports.hub, "hub")],
    more: { type: slot("hub.type", "ClusterIP") },
  }),
  // names of the pods; also before they are ready, so that a woken hub is found at once
  service({
    name: names.hubPods,
    program: "hub",
    selector: selectorOf("hub"),
    ports: [port("grpc", ports.hub, "hub")],
    more: { clusterIP: "None", publishNotReadyAddresses: true },
  }),
  service({
    name: names.discovery,
    program: "controller",
    selector: selectorOf("controller"),
    ports: [port("grpc", ports.discovery, "discovery")],
  }),
  service({
    name: names.webhookService,
    program: "webhook",
    selector: selectorOf("webhook"),
    ports: [port("https", 443, "webhook")],
  }),
  service({
    name: names.metricsService,
    selector: { ...commonLabels, ...metricsLabel },
    ports: [port("https", ports.metrics, "metrics")],
  }),
];

/** `from` absent: anybody. */
function policy(name: string, selector: Readonly<Record<string, string>>, port: number, from?: Node): Manifest {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: metadata(`bobravoz-grpc-${name}`),
    spec: {
      podSelector: { matchLabels: selector },
      policyTypes: ["Ingress"],
      ingress: [{ ...from === undefined ? {} : { from: [from] }, ports: [{ protocol: "TCP", port }] }],
    },
  };
}

const connectors: Node = {
  namespaceSelector: {},
  podSelector: { matchLabels: { "transport.bobravoz.bubustack.io/connector": "true" } },
};

/** A pod that any of these selects takes nothing but what they let in. */
export const networkPolicies: readonly Manifest[] = [
  policy("allow-hub-traffic", selectorOf("hub"), ports.hub, connectors),
  policy("allow-discovery-traffic", selectorOf("controller"), ports.discovery, connectors),
  policy("allow-metrics-traffic", { ...commonLabels, ...metricsLabel }, ports.metrics, {
    namespaceSelector: { matchLabels: { metrics: "enabled" } },
  }),
  policy("allow-webhook-traffic", selectorOf("webhook"), ports.webhook),
  policy("allow-health-probe-traffic", commonLabels, ports.probes),
];

/** For the Prometheus operator; apart, since clusters without it do not know the kind. */
export const serviceMonitor: Manifest = {
  apiVersion: "monitoring.coreos.com/v1",
  kind: "ServiceMonitor",
  metadata: {
    ...metadata(`bobravoz-grpc-controller-manager-metrics-monitor`),
  },
  spec: {
    selector: { matchLabels: commonLabels },
    endpoints: [{
      path: "/metrics",
      port: "https",
      scheme: "https",
      bearerTokenFile: "/var/run/secrets/kubernetes.io/serviceaccount/token",
      tlsConfig: { insecureSkipVerify: true },
    }],
  },
};
