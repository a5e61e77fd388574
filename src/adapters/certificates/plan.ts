/**
 * Which certificates there must be and what is wrong with those that are there: pure, over the contents of Secrets.
 * The authority lives 10 years, what it signs 90 days; each is made anew after two thirds of its life, and an old
 * authority stays trusted beside the new one until it ends.
 */
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { issue, type KeyPair, makeAuthority } from "./x509.ts";

const dayMs = 86_400_000;
const authorityLifeMs = 3_650 * dayMs;
const ordinaryLifeMs = 90 * dayMs;

/** Contents of a Secret by file; empty where it has none. */
export type Files = Readonly<Record<string, string>>;

export interface Wanted {
  /** Of the Secret. */
  readonly secret: string;
  readonly dnsNames: readonly string[];
}

/** The authority in force: `found` where it still serves, else a new one. `changed` says that it must be written. */
export function authorityFor(found: Files, nowMs: number): { readonly files: Files; readonly changed: boolean } {
  const { "tls.crt": cert = "", "tls.key": key = "", "ca.crt": bundle = "" } = found;
  const own = readCertificate(cert);
  if (own !== null && own.ca && key !== "" && isFresh(own, nowMs) && trusts(bundle, own)) {
    return { files: found, changed: false };
  }
  const made = makeAuthority({ name: "bobravoz-grpc-ca", nowMs, lifeMs: authorityLifeMs });
  const kept = certificatesIn(bundle).filter((pem) => Date.parse(readCertificate(pem)?.validTo ?? "") > nowMs);
  return {
    files: { "tls.crt": made.cert, "tls.key": made.key, "ca.crt": [made.cert, ...kept].join("") },
    changed: true,
  };
}

/** The files of a certificate that serves `wanted`, or null where those of `found` do. */
export function renewalOf(
  found: Files,
  wanted: Wanted,
  authority: Files,
  nowMs: number,
  lifeMs = ordinaryLifeMs,
): Files | null {
  const own = readCertificate(found["tls.crt"] ?? "");
  const pair: KeyPair = { cert: authority["tls.crt"] ?? "", key: authority["tls.key"] ?? "" };
  const names = wanted.dnsNames.map((name) => `DNS:${name}`).join(", ");
  const serves = own !== null && (found["tls.key"] ?? "") !== "" && found["ca.crt"] === authority["ca.crt"] &&
    own.subjectAltName === names && isFresh(own, nowMs) && own.verify(new X509Certificate(pair.cert).publicKey);
  if (serves) return null;
  const made = issue(pair, { name: wanted.secret, dnsNames: wanted.dnsNames, nowMs, lifeMs });
  return { "tls.crt": made.cert, "tls.key": made.key, "ca.crt": authority["ca.crt"] ?? "" };
}

/** Contents of a Secret as an object of the API has them, and back. */
export function decodeData(data: Readonly<Record<string, string>> | undefined): Files {
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([file, text]) => [file, Buffer.from(text, "base64").toString()]),
  );
}

export function encodeData(files: Files): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).map(([file, text]) => [file, Buffer.from(text).toString("base64")]));
}

/** Whether it is in force and less than two thirds of its life have gone. */
function isFresh(certificate: X509Certificate, nowMs: number): boolean {
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  return from <= nowMs && nowMs < from + (to - from) * 2 / 3;
}

function trusts(bundle: string, certificate: X509Certificate): boolean {
  return certificatesIn(bundle).some((pem) => readCertificate(pem)?.fingerprint256 === certificate.fingerprint256);
}

function certificatesIn(bundle: string): readonly string[] {
  const pems = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return pems.map((pem) => `${pem}\n`);
}

/** Null where the text is none. */
function readCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    // an empty Secret, or one that somebody spoilt: a new one is made
    return null;
  }
}
