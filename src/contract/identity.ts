/**
 * Who may claim to be a step: the rule of DECISIONS W-01, control-plane #44, without sockets, tokens or API servers.
 *
 * ```
 *                    namespace              run                  step
 *   hub stream       certificate            token, if presented  pod of that token
 *   discovery read   certificate or token   -                    -
 *   ReportConnector  token                  token                pod of that token
 * ```
 */
import { labelValue, serviceAccountName } from "./compose.ts";
import { annotations, labels } from "./names.ts";

/** `enforce` refuses what is not proven, `observe` counts it, `off` does not look. */
export type IdentityMode = "enforce" | "observe" | "off";

/** What a caller asks for: a Process stream of the hub, or to read or report at discovery. */
export type ClaimedAction = "stream" | "read" | "report";

/** What a caller says that it is; for `read` an empty field means all. */
export interface Claim {
  readonly action: ClaimedAction;
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
  /** Fenced elsewhere (DECISIONS W-02); nothing proves it. */
  readonly generation?: number;
}

/** What the pod of a token says of itself; empty where it says nothing. */
export interface PodProof {
  readonly name: string;
  readonly step: string;
  /** The run's name as it is. */
  readonly storyRun: string;
  /** The run's name as a label holds it, which may be shortened. */
  readonly storyRunLabel: string;
}

/** What a token of a ServiceAccount proves once the API server has accepted it. */
export interface TokenProof {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The pod that the token is bound to; null for a token without one. */
  readonly pod: PodProof | null;
}

/** What a caller has shown. */
export interface Proof {
  /** Namespaces that its certificate names; empty without a certificate. */
  readonly namespaces: readonly string[];
  /** `refused`: it presented one that is not valid (any more). */
  readonly token: TokenProof | "refused" | null;
}

/** Every outcome of the rule, with what it means. The first three prove the claim. */
export const identityReasons = {
  Proven: "the token proves the run and its pod the step",
  NamespaceProven: "the namespace is proven, and no more is asked for",
  NamespaceOnly: "the certificate proves the namespace; no token was presented",
  NoProof: "neither certificate nor token proves a namespace",
  OtherNamespace: "certificate or token is of another namespace",
  AllNamespaces: "no certificate or token proves all namespaces",
  NoToken: "a token is needed and none was presented",
  RefusedToken: "the token is expired, not valid, or of a pod that is gone",
  OtherServiceAccount: "the token is not one of an engram runner",
  OtherRun: "the token is one of another run",
  NoPod: "the token is not bound to a pod, or its pod names no step",
  OtherStep: "the token's pod is one of another step",
} as const;

export type IdentityReason = keyof typeof identityReasons;

export interface IdentityVerdict {
  /** Whether the call goes on. */
  readonly accepted: boolean;
  /** Whether the claim is proven; in mode `observe` a call goes on all the same. */
  readonly proven: boolean;
  readonly reason: IdentityReason;
  /** Why, in words with the names met. */
  readonly text: string;
}

const provenReasons: ReadonlySet<IdentityReason> = new Set(["Proven", "NamespaceProven", "NamespaceOnly"]);

/** The verdict on one claim. A claim beyond the proof is accepted only where `mode` is not `enforce`. */
export function judge(proof: Proof, claim: Claim, mode: IdentityMode): IdentityVerdict {
  const [reason, text] = look(proof, claim);
  const proven = provenReasons.has(reason);
  return { accepted: proven || mode !== "enforce", proven, reason, text };
}

/** What a pod's metadata proves: annotations are whole, labels stand in where they are missing (control-plane 2.5). */
export function podProof(
  name: string,
  metadata: { readonly labels?: unknown; readonly annotations?: unknown },
): PodProof {
  const annotated = (key: string): string => textAt(metadata.annotations, key);
  return {
    name,
    step: annotated(annotations.step) || textAt(metadata.labels, labels.step),
    storyRun: annotated(annotations.storyRun),
    storyRunLabel: textAt(metadata.labels, labels.storyRun),
  };
}

type Finding = readonly [IdentityReason, string];

function look({ namespaces, token }: Proof, claim: Claim): Finding {
  const { action, namespace } = claim;
  if (token === "refused") return ["RefusedToken", "the token is not valid or its pod is gone"];
  if (action === "report") {
    return token === null ? ["NoToken", "a report needs the pod's token"] : ofToken(token, claim);
  }
  const isNamed = namespace !== "" && namespaces.includes(namespace);
  if (action === "read") {
    if (namespace === "") return ["AllNamespaces", "all namespaces are asked for: name one"];
    if (isNamed || token?.namespace === namespace) return ["NamespaceProven", `namespace "${namespace}" is proven`];
    return notNamed(token === null ? namespaces : [...namespaces, token.namespace], namespace);
  }
  if (!isNamed) return notNamed(namespaces, namespace);
  return token === null ? ["NamespaceOnly", `namespace "${namespace}" is proven`] : ofToken(token, claim);
}

function notNamed(proven: readonly string[], namespace: string): Finding {
  if (proven.length === 0) return ["NoProof", `nothing proves namespace "${namespace}": the certificate names none`];
  return ["OtherNamespace", `proven is namespace "${proven.join('", "')}", not "${namespace}"`];
}

function ofToken(token: TokenProof, { namespace, storyRun, step }: Claim): Finding {
  const { serviceAccount, pod } = token;
  const account = `ServiceAccount ${token.namespace}/${serviceAccount}`;
  if (token.namespace !== namespace) return ["OtherNamespace", `the token is of ${account}, not of "${namespace}"`];
  if (serviceAccount !== serviceAccountName(storyRun)) {
    const isRunner = serviceAccount.endsWith("engram-runner");
    return [isRunner ? "OtherRun" : "OtherServiceAccount", `the token is of ${account}, not of run "${storyRun}"`];
  }
  if (pod === null) return ["NoPod", `the token of ${account} is not bound to a pod`];
  if (pod.step === "") return ["NoPod", `pod ${namespace}/${pod.name} names no step`];
  if (!isRunOf(pod, storyRun)) {
    return ["OtherRun", `pod ${namespace}/${pod.name} is of run "${pod.storyRun || pod.storyRunLabel}"`];
  }
  if (pod.step !== step) return ["OtherStep", `pod ${namespace}/${pod.name} is of step "${pod.step}", not "${step}"`];
  return ["Proven", `pod ${namespace}/${pod.name} is step "${step}" of run "${storyRun}"`];
}

/** Two runs may share a ServiceAccount where their names are the same once cut or cleaned; their pods tell them apart. */
function isRunOf({ storyRun, storyRunLabel }: PodProof, run: string): boolean {
  if (storyRun !== "") return storyRun === run;
  return storyRunLabel !== "" && storyRunLabel === labelValue(run);
}

function textAt(of: unknown, key: string): string {
  const value = typeof of === "object" && of !== null ? (of as Record<string, unknown>)[key] : undefined; // an object's field
  return typeof value === "string" ? value : "";
}
