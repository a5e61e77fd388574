/** Certificates of Secrets as facts, and whether a bundle of authorities fits one. */
import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { certificateNames } from "../../adapters/identity/certificate.ts";
import { provenNamespaces } from "../../contract/certificate-names.ts";
import type { JsonObject } from "../../contract/resources.ts";
import type { CertificateFacts } from "../../control/check-programs.ts";

/** A key of a Secret, as text; empty where it is not there. */
export function secretText(secret: JsonObject | null, key: string): string {
  const data = (secret?.["data"] ?? {}) as Readonly<Record<string, string>>;
  return Buffer.from(data[key] ?? "", "base64").toString();
}

export function certificateFacts(secret: JsonObject | null): CertificateFacts | null {
  if (secret === null) return null;
  const certificate = parsed(secretText(secret, "tls.crt"));
  if (certificate === null) return { certificate: null };
  return {
    certificate: {
      notAfterMs: Date.parse(certificate.validTo),
      notBeforeMs: Date.parse(certificate.validFrom),
      names: certificateNames(certificate.raw).flatMap(({ type, value }) => type === "dns" ? [value] : []),
      isOfItsCa: isSignedBy(certificate, secretText(secret, "ca.crt")),
      isOfItsKey: isKeyOf(certificate, secretText(secret, "tls.key")),
    },
  };
}

/** Whether an authority of the bundle (PEM) signed the certificate of the Secret; null: there is none. */
export function fitsBundle(secret: JsonObject | null, bundle: string): boolean | null {
  const certificate = parsed(secretText(secret, "tls.crt"));
  return certificate === null ? null : isSignedBy(certificate, bundle);
}

/** Namespaces that the certificate of a Secret proves; null: it holds none. */
export function provenBy(secret: JsonObject | null): readonly string[] | null {
  const certificate = parsed(secretText(secret, "tls.crt"));
  return certificate === null ? null : provenNamespaces(certificateNames(certificate.raw));
}

function parsed(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    // not a certificate, which is the finding
    return null;
  }
}

function isSignedBy(certificate: X509Certificate, bundle: string): boolean {
  const authorities = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return authorities.some((pem) => {
    const authority = parsed(pem);
    return authority !== null && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  });
}

function isKeyOf(certificate: X509Certificate, pem: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem));
  } catch {
    // not a key at all
    return false;
  }
}
