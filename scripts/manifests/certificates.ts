/** Certificates: cert-manager's objects (control-plane 8.6), or Secrets that our own keeper of certificates fills. */
import { certificateNames, clusterMetadata, metadata, names } from "./names.ts";
import { type Manifest, slot } from "./values.ts";

const issuer = slot("sharedCAIssuerName", "bobrapet-shared-ca");
const bootstrap = "bobrapet-selfsigned-bootstrap";
const root = "bobrapet-ca-root";

function certificate(name: string, secretName: string): Manifest {
  return {
    apiVersion: "cert-manager.io/v1",
    kind: "Certificate",
    metadata: metadata(name),
    spec: {
      secretName,
      dnsNames: certificateNames(secretName),
      privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
      usages: ["digital signature", "server auth", "client auth"],
      issuerRef: { group: "cert-manager.io", kind: "ClusterIssuer", name: issuer },
    },
  };
}

export const managedCertificates: readonly Manifest[] = [
  certificate(names.hubTls, names.hubTls),
  certificate(names.servingCertificate, names.webhookTls),
  certificate(names.metricsCertificate, names.metricsTls),
];

/** The authority that both operators share; the workflow operator's installation brings the same. */
export const sharedAuthority: readonly Manifest[] = [
  {
    apiVersion: "cert-manager.io/v1",
    kind: "ClusterIssuer",
    metadata: clusterMetadata(bootstrap),
    spec: { selfSigned: {} },
  },
  {
    apiVersion: "cert-manager.io/v1",
    kind: "Certificate",
    metadata: { ...clusterMetadata(root), namespace: "cert-manager" },
    spec: {
      isCA: true,
      commonName: root,
      secretName: root,
      duration: "43800h",
      privateKey: { algorithm: "ECDSA", size: 256 },
      issuerRef: { group: "cert-manager.io", kind: "ClusterIssuer", name: bootstrap },
    },
  },
  {
    apiVersion: "cert-manager.io/v1",
    kind: "ClusterIssuer",
    metadata: { ...clusterMetadata("bobrapet-shared-ca"), name: issuer },
    spec: { ca: { secretName: root } },
  },
];

/** Empty, so that they go with the installation and their keeper needs no right to create any. */
export const ownSecrets: readonly Manifest[] = [names.ca, names.hubTls, names.webhookTls, names.metricsTls].map(
  (name) => ({ apiVersion: "v1", kind: "Secret", metadata: metadata(name, "certificates"), type: "Opaque" }),
);
