/** Every object of an installation, in files; some only under a condition of the chart. */
import { hasCertManager, webhookConfiguration } from "./admission.ts";
import { managedCertificates, ownSecrets, sharedAuthority } from "./certificates.ts";
import { operatorConfig } from "./config.ts";
import { networkPolicies, serviceMonitor, services } from "./network.ts";
import { autoscaler, certificates, controller, disruptionBudgets, hub, webhook } from "./programs.ts";
import { accessOf, metricsReader } from "./rbac.ts";
import type { Condition, Manifest } from "./values.ts";

/** A file of objects. */
export interface Part {
  /** Without its ending. */
  readonly file: string;
  readonly objects: readonly Manifest[];
  /** Where the chart has them; absent: always. */
  readonly condition?: Condition;
}

const value = (path: string, holds: boolean): Condition => ({ expression: `.Values.${path}`, holds });

/** What every installation has. */
export const baseParts: readonly Part[] = [
  { file: "controller", objects: [...accessOf("controller"), controller] },
  { file: "webhook", objects: [...accessOf("webhook"), webhook] },
  { file: "hub", objects: [...accessOf("hub"), hub] },
  { file: "services", objects: services },
  { file: "config", objects: [operatorConfig] },
  { file: "metrics-reader", objects: [metricsReader] },
  { file: "admission", objects: [webhookConfiguration] },
  { file: "network-policies", objects: networkPolicies, condition: value("networkPolicy.enabled", true) },
  { file: "disruption", ...disruptionBudgets },
];

export const selfContainedPart: Part = {
  file: "certificates",
  objects: [...ownSecrets, ...accessOf("certificates"), certificates],
  condition: { expression: `eq (include "bobravoz.certificates" .) "self-contained"`, holds: true },
};

export const certManagerPart: Part = {
  file: "cert-manager",
  objects: managedCertificates,
  condition: hasCertManager,
};

export const sharedAuthorityPart: Part = {
  file: "shared-ca",
  objects: sharedAuthority,
  condition: {
    expression: `and .Values.certificates.createSharedIssuer (${hasCertManager.expression})`,
    holds: false,
  },
};

export const monitorPart: Part = {
  file: "service-monitor",
  objects: [serviceMonitor],
  condition: value("metrics.serviceMonitor.enabled", false),
};

export const autoscalingPart: Part = {
  file: "autoscaling",
  objects: [autoscaler],
  condition: value("hub.autoscaling.enabled", false),
};

export const allParts: readonly Part[] = [
  ...baseParts,
  selfContainedPart,
  certManagerPart,
  sharedAuthorityPart,
  monitorPart,
  autoscalingPart,
];
