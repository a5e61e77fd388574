/** Which namespace a name in a certificate proves (DECISIONS W-01). Whatever leaves a doubt proves none. */

/** One name of a certificate's SAN extension. */
export interface CertificateName {
  readonly type: "dns" | "uri";
  readonly value: string;
}

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Namespaces that the names prove, each once, in order. */
export function provenNamespaces(names: readonly CertificateName[]): readonly string[] {
  const found = names.map(({ type, value }) => type === "dns" ? namespaceOfDnsName(value) : namespaceOfSpiffeId(value));
  return [...new Set(found.filter((namespace) => namespace !== null))];
}

/**
 * `demo` of `step.demo.svc`, `step.demo.svc.cluster.local`, `pod.step.demo.svc.cluster.local` or `*.demo.svc…`; else null.
 * With a second `svc` behind the first, as in `a.demo.svc.b.other.svc`, whose name it is depends on who reads it.
 */
export function namespaceOfDnsName(name: string): string | null {
  const parts = name.toLowerCase().replace(/\.$/, "").split(".");
  const at = parts.indexOf("svc", 2);
  if (at !== 2 && at !== 3) return null;
  if (parts.indexOf("svc", at + 1) !== -1) return null;
  const isWhole = parts.every((part, index) => label.test(part) || index === 0 && part === "*");
  return isWhole ? parts[at - 1]! : null;
}

/** `demo` of `spiffe://cluster.local/ns/demo/sa/name`; else null. */
export function namespaceOfSpiffeId(id: string): string | null {
  const match = /^spiffe:\/\/[a-z0-9._-]+\/ns\/([^/?#]+)\/[^?#]+$/i.exec(id);
  const namespace = match?.[1] ?? "";
  return label.test(namespace) ? namespace : null;
}
