/**
 * Stand-ins for the kinds of cert-manager and of the Prometheus operator that manifests use, as far as they are used:
 * enough for an API server to refuse a misspelt field.
 */
import type { JsonObject } from "../../../src/contract/resources.ts";

const text = { type: "string" };
const texts = { type: "array", items: text };
const object = (properties: JsonObject): JsonObject => ({ type: "object", properties });

function definition(group: string, version: string, kind: string, scope: string, spec: JsonObject): JsonObject {
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope,
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema: object({ spec }) } }],
    },
  };
}

const certificate = object({
  secretName: text,
  commonName: text,
  isCA: { type: "boolean" },
  duration: text,
  dnsNames: texts,
  usages: texts,
  privateKey: object({
    algorithm: { type: "string", enum: ["RSA", "ECDSA", "Ed25519"] },
    size: { type: "integer" },
    rotationPolicy: { type: "string", enum: ["Never", "Always"] },
  }),
  issuerRef: object({ group: text, kind: text, name: text }),
});

const issuer = object({ selfSigned: object({}), ca: object({ secretName: text }) });

const monitor = object({
  selector: object({ matchLabels: { type: "object", additionalProperties: text } }),
  endpoints: {
    type: "array",
    items: object({
      path: text,
      port: text,
      scheme: text,
      bearerTokenFile: text,
      tlsConfig: object({ insecureSkipVerify: { type: "boolean" } }),
    }),
  },
});

export const foreignDefinitions: readonly JsonObject[] = [
  definition("cert-manager.io", "v1", "Certificate", "Namespaced", certificate),
  definition("cert-manager.io", "v1", "ClusterIssuer", "Cluster", issuer),
  definition("monitoring.coreos.com", "v1", "ServiceMonitor", "Namespaced", monitor),
];
