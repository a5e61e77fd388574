/** Names, ports and labels that several manifests share (control-plane 8.4 and 8.6). */
import { certifiedServices, installation } from "../../src/contract/installation.ts";
import { join, known, type Node, type Slot } from "./values.ts";

/** The namespace that it shares with the workflow operator; a chart's is that of its release. */
export const namespace: Slot = known(".Release.Namespace", installation.namespace);

const prefix = "bobravoz-grpc";

export const names = {
  ...installation,
  servingCertificate: `${prefix}-serving-cert`,
  metricsCertificate: `${prefix}-metrics-certs`,
} as const;

export const ports = { hub: 9000, discovery: 9100, metrics: 8443, webhook: 9443, probes: 8081 } as const;

export type Program = "controller" | "webhook" | "hub" | "certificates";

/** What selects the pods of a program, for ever: selectors cannot be changed. */
export function selectorOf(program: Program): Readonly<Record<string, string>> {
  return {
    "app.kubernetes.io/name": prefix,
    "control-plane": program === "controller" ? "controller-manager" : program,
  };
}

/** Where the chart's values of a program are. */
export function valuesOf(program: Program): string {
  return program === "controller" ? "controllerManager" : program;
}

/** Of every object that is not of one program. */
export const commonLabels: Readonly<Record<string, string>> = { "app.kubernetes.io/name": prefix };

/** Metadata of an object in our namespace. */
export function metadata(name: string, program?: Program): Readonly<Record<string, Node>> {
  return { name, namespace, labels: program === undefined ? commonLabels : selectorOf(program) };
}

/** Metadata of an object that has no namespace. */
export function clusterMetadata(name: string): Readonly<Record<string, Node>> {
  return { name, labels: commonLabels };
}

/** `NAME.NAMESPACE.svc`, and with the domain of the cluster. */
export function serviceNames(service: string): readonly Slot[] {
  return [join(`${service}.`, namespace, ".svc"), join(`${service}.`, namespace, ".svc.", clusterDomain)];
}

/** The domain of the cluster's names. */
export const clusterDomain: Slot = {
  slot: "value",
  expression: ".Values.kubernetesClusterDomain",
  fallback: "cluster.local",
};

/** The names of the certificate in a Secret. */
export function certificateNames(secret: string): readonly Slot[] {
  return (certifiedServices[secret] ?? []).flatMap(serviceNames);
}
