/** The registration of the pod webhook (control-plane 7.1). */
import { commonLabels, names, namespace } from "./names.ts";
import { type Condition, join, keysWhen, type Manifest, type Node, slot } from "./values.ts";

/** How cert-manager learns whose authority to write into the registration. */
export const injection: Readonly<Record<string, Node>> = {
  "cert-manager.io/inject-ca-from": join(namespace, `/${names.servingCertificate}`),
};

export const hasCertManager: Condition = {
  expression: `eq (include "bobravoz.certificates" .) "cert-manager"`,
  holds: false,
};

export const webhookConfiguration: Manifest = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "MutatingWebhookConfiguration",
  metadata: {
    name: names.webhookConfiguration,
    labels: commonLabels,
    ...keysWhen(hasCertManager, { annotations: injection }),
  },
  webhooks: [{
    name: "mtransport-connector.bobravoz.bubustack.io",
    admissionReviewVersions: ["v1"],
    clientConfig: {
      service: { name: names.webhookService, namespace, path: "/mutate-transport-connector-pod", port: 443 },
    },
    failurePolicy: slot("webhook.failurePolicy", "Fail"),
    matchPolicy: "Equivalent",
    sideEffects: "None",
    timeoutSeconds: slot("webhook.timeoutSeconds", 10),
    objectSelector: { matchExpressions: [{ key: "bubustack.io/engram", operator: "Exists" }] },
    rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"], scope: "*" }],
  }],
};
