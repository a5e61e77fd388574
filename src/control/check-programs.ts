/** Judgements of what an installation is made of: certificates, the webhook's registration, programs and their versions. */
import { bad, type CheckFinding, ok } from "./check.ts";

/** What is in a certificate's Secret; null: there is no such Secret. */
export interface CertificateFacts {
  /** Null: `tls.crt` does not parse. */
  readonly certificate: {
    readonly notAfterMs: number;
    readonly notBeforeMs: number;
    /** DNS names, with wildcards as they stand. */
    readonly names: readonly string[];
    /** Whether `ca.crt` of the Secret signed it. */
    readonly isOfItsCa: boolean;
    /** Whether `tls.key` is its key. */
    readonly isOfItsKey: boolean;
  } | null;
}

const soonMs = 7 * 86_400_000;
const renew = "with cert-manager: kubectl get certificates; without: bobravoz certificates";

/** The certificate of a Secret that has to bear `names`. */
export function judgeCertificate(
  secret: string,
  facts: CertificateFacts | null,
  names: readonly string[],
  nowMs: number,
): CheckFinding {
  const failed = (message: string) => bad("failed", "certificates", secret, message, renew);
  if (facts === null) return failed("the Secret does not exist");
  const { certificate } = facts;
  if (certificate === null) return failed("tls.crt is no certificate");
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  if (certificate.notAfterMs <= nowMs) return failed(`expired on ${day(certificate.notAfterMs)}`);
  if (certificate.notBeforeMs > nowMs) return failed(`is not valid before ${day(certificate.notBeforeMs)}`);
  if (!certificate.isOfItsKey) return failed("tls.key is the key of another certificate");
  if (!certificate.isOfItsCa) return failed("ca.crt did not sign tls.crt");
  const uncovered = names.filter((name) => !certificate.names.some((has) => covers(has, name)));
  if (uncovered.length > 0) return failed(`does not bear ${uncovered.join(", ")}`);
  if (certificate.notAfterMs - nowMs < soonMs) {
    return bad("warning", "certificates", secret, `expires on ${day(certificate.notAfterMs)}`, renew);
  }
  return ok("certificates", secret, `until ${day(certificate.notAfterMs)}`);
}

/** A wildcard covers itself and one label in its place. */
function covers(has: string, name: string): boolean {
  if (has.toLowerCase() === name.toLowerCase()) return true;
  return has.startsWith("*.") && has.slice(1).toLowerCase() === name.slice(name.indexOf(".")).toLowerCase();
}

export interface WebhookFacts {
  /** Base64 as it stands; empty where nothing was put there. */
  readonly caBundle: string;
  readonly service: { readonly namespace: string; readonly name: string } | null;
  /** Whether an authority of the bundle signed the webhook's serving certificate; null: that one is not known. */
  readonly fits: boolean | null;
  readonly readyEndpoints: number | null;
}

/** The registration that has pods mutated; null: there is none. */
export function judgeWebhook(name: string, facts: WebhookFacts | null): readonly CheckFinding[] {
  const failed = (message: string, hint: string) => bad("failed", "webhook", name, message, hint);
  if (facts === null) {
    return [failed("there is no such configuration: pods get no connector", "kubectl apply -k manifests/default")];
  }
  const findings: CheckFinding[] = [];
  if (facts.caBundle === "") {
    findings.push(
      failed("its caBundle is empty: the API server refuses to call it", `is cert-manager's injector there? ${renew}`),
    );
  } else if (facts.fits === false) {
    findings.push(failed("its caBundle did not sign the webhook's certificate: pods of engrams are refused", renew));
  }
  if (facts.readyEndpoints === 0) {
    const service = `${facts.service?.namespace}/${facts.service?.name}`;
    findings.push(
      failed(
        `no pod is ready behind Service ${service}: pods of engrams are refused`,
        `kubectl get pods -n ${facts.service?.namespace}`,
      ),
    );
  }
  return findings.length === 0 ? [ok("webhook", name)] : findings;
}

/** A Deployment or StatefulSet. */
export interface ProgramFacts {
  readonly wanted: number;
  readonly ready: number;
  readonly image: string;
}

/** One program; null: it is not installed. `mayRest`: none is needed while nothing runs (hub.scaleToZero). */
export function judgeProgram(name: string, facts: ProgramFacts | null, mayRest: boolean): CheckFinding {
  if (facts === null) return bad("failed", "programs", name, "is not installed", "kubectl apply -k manifests/default");
  const { wanted, ready } = facts;
  const text = `${ready} of ${wanted} ready`;
  if (wanted === 0 && mayRest) return ok("programs", name, "scaled to zero, which hub.scaleToZero allows");
  if (wanted === 0) return bad("failed", "programs", name, "is scaled to zero", `kubectl scale its replicas up`);
  if (ready === 0) return bad("failed", "programs", name, text, "kubectl describe its pods, and read their logs");
  return ready < wanted
    ? bad("warning", "programs", name, text, "kubectl describe its pods")
    : ok("programs", name, text);
}

/** Versions of our programs beside each other, and this one's. */
export function judgeVersions(own: string, images: Readonly<Record<string, string>>): CheckFinding {
  const tags = Object.entries(images).map(([name, image]) => [name, versionOf(image)] as const);
  const known = tags.filter(([, tag]) => tag !== null);
  const distinct = new Set(known.map(([, tag]) => tag));
  const list = tags.map(([name, tag]) => `${name} ${tag ?? "(no version)"}`).join(", ");
  if (distinct.size > 1) {
    return bad("warning", "versions", "programs", `differ: ${list}`, "finish the update: all run the same version");
  }
  const [tag] = distinct;
  if (tag != null && minorOf(tag) !== minorOf(own)) {
    return bad(
      "warning",
      "versions",
      "programs",
      `${tag}, and this bobravoz is ${own}`,
      "use the bobravoz of the installation",
    );
  }
  return ok("versions", "programs", list);
}

function versionOf(image: string): string | null {
  return /:v?(\d+\.\d+\.\d+[^@]*)(?:@|$)/.exec(image)?.[1] ?? null;
}

function minorOf(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}

/** An Engram's certificate, as the hub would see it. */
export interface EngramCertificate {
  readonly namespace: string;
  readonly engram: string;
  readonly secret: string;
  /** Namespaces that it proves; null: there is no such Secret, or no certificate in it. */
  readonly proves: readonly string[] | null;
}

/** Who would be refused under `hub.identity` = `enforce` (DECISIONS W-01); in force already, it is who is refused. */
export function judgeIdentity(mode: string, engrams: readonly EngramCertificate[]): readonly CheckFinding[] {
  const refused = engrams.filter(({ namespace, proves }) => proves === null || !proves.includes(namespace));
  if (refused.length === 0) {
    return [ok("identity", `hub.identity ${mode}`, `${engrams.length} engrams with certificates of their namespace`)];
  }
  return refused.map(({ namespace, engram, secret, proves }) => {
    const what = proves === null
      ? `Secret ${secret} holds no certificate`
      : `the certificate of Secret ${secret} proves ${proves.length === 0 ? "no namespace" : proves.join(", ")}`;
    const verb = mode === "enforce" ? "is refused" : "would be refused under enforce";
    const hint = `a certificate with a name in ${namespace}, such as *.${namespace}.svc.cluster.local`;
    return bad(
      mode === "enforce" ? "failed" : "warning",
      "identity",
      `${namespace}/${engram}`,
      `${verb}: ${what}`,
      hint,
    );
  });
}
