/**
 * Whether an installation is in order: facts in, findings out. Pure; what asks an API server or opens a connection
 * hands its answers in. Every finding says what is wrong and what to do about it.
 */
import { apiVersions, type Kind } from "../contract/names.ts";
import type { Grant } from "../contract/permissions.ts";

export type CheckArea =
  | "api server"
  | "crds"
  | "access"
  | "certificates"
  | "webhook"
  | "programs"
  | "reach"
  | "versions"
  | "identity";

export interface CheckFinding {
  readonly area: CheckArea;
  /** `warning`: works, but something will not; `unknown`: could not be looked at. */
  readonly state: "ok" | "warning" | "failed" | "unknown";
  /** What was looked at. */
  readonly subject: string;
  /** What was found; empty where all is well and there is nothing to say. */
  readonly message: string;
  /** What to do; empty where nothing is to be done. */
  readonly hint: string;
}

export function ok(area: CheckArea, subject: string, message = ""): CheckFinding {
  return { area, state: "ok", subject, message, hint: "" };
}

export function bad(
  state: "warning" | "failed" | "unknown",
  area: CheckArea,
  subject: string,
  message: string,
  hint: string,
): CheckFinding {
  return { area, state, subject, message, hint };
}

/** Oldest Kubernetes whose API server has selectable fields of custom resources in general use (control-plane R-01). */
const oldestMinor = 31;
/** Oldest that runs native sidecars everywhere; before that the connector is an ordinary container. */
const sidecarMinor = 29;

/** The API server's version, or why it did not answer. */
export function judgeApiServer(server: string, version: { major: string; minor: string } | string): CheckFinding {
  if (typeof version === "string") {
    return bad("failed", "api server", server, version, "is the cluster up, and the kubeconfig the right one?");
  }
  const minor = Number(/^\d+/.exec(version.minor)?.[0] ?? "0");
  const text = `Kubernetes ${version.major}.${version.minor}`;
  if (version.major === "1" && minor < oldestMinor) {
    const without = minor < sidecarMinor ? "; connectors are injected as ordinary containers" : "";
    const hint = `update to 1.${oldestMinor} or later`;
    return bad("warning", "api server", server, `${text}: older than tried${without}`, hint);
  }
  return ok("api server", server, text);
}

/** A CustomResourceDefinition as far as it is looked at. */
export interface CrdFacts {
  readonly versions?: readonly {
    readonly name: string;
    readonly served?: boolean;
    readonly subresources?: { readonly status?: object };
    readonly schema?: { readonly openAPIV3Schema?: SchemaNode };
  }[];
}

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
}

/** Fields that are read or written, by kind; `[]` enters a list. */
const neededFields: Readonly<Record<Kind, readonly string[]>> = {
  Story: ["spec.pattern", "spec.steps[].name", "spec.steps[].needs", "spec.transports[].transportRef"],
  Engram: ["spec.templateRef", "spec.mode"],
  EngramTemplate: ["spec"],
  StoryRun: ["spec.storyRef.name", "spec.cancelRequested", "status.phase", "status.conditions"],
  StepRun: ["spec.storyRunRef.name", "spec.stepId", "status.phase"],
  Transport: ["spec.driver", "spec.streaming", "spec.defaultSettings", "spec.supportedBinary"],
  TransportBinding: [
    ...["transportRef", "driver", "stepName", "storyRunRef.uid", "rawSettings", "connectorEndpoint"].map((f) =>
      `spec.${f}`
    ),
    ...["endpoint", "upstreamHost", "downstreamHost", "negotiatedBinary", "conditions"].map((f) => `status.${f}`),
  ],
};

/** Kinds whose status is written. */
const writtenStatus: ReadonlySet<Kind> = new Set(["StoryRun", "TransportBinding"]);

/** One kind's definition; null: it is not there. */
export function judgeCrd(kind: Kind, crd: CrdFacts | null): CheckFinding {
  const [group = "", wanted = ""] = apiVersions[kind].split("/");
  const subject = `${kind} (${group})`;
  const hint = "install bobrapet of a supported version, or the development set: kubectl apply -k manifests/crds";
  if (crd === null) return bad("failed", "crds", subject, "is not defined", hint);
  const version = crd.versions?.find(({ name, served }) => name === wanted && served !== false);
  if (version === undefined) return bad("failed", "crds", subject, `version ${wanted} is not served`, hint);
  const schema = version.schema?.openAPIV3Schema ?? {};
  const missing = neededFields[kind].filter((path) => !hasField(schema, path));
  if (writtenStatus.has(kind) && version.subresources?.status === undefined) missing.push("the sub-resource status");
  return missing.length === 0
    ? ok("crds", subject)
    : bad("failed", "crds", subject, `lacks ${missing.join(", ")}`, hint);
}

function hasField(schema: SchemaNode, path: string): boolean {
  let at: SchemaNode = schema;
  for (const part of path.split(".")) {
    const name = part.replace("[]", "");
    const next = at.properties?.[name];
    if (next === undefined) return at["x-kubernetes-preserve-unknown-fields"] === true;
    at = part.endsWith("[]") ? next.items ?? {} : next;
  }
  return true;
}

/** One question of access, and its answer; null: it could not be asked. */
export interface AccessFact {
  readonly grant: Pick<Grant, "group" | "resource" | "names">;
  readonly verb: string;
  /** What the verb is for. */
  readonly purpose: string;
  readonly allowed: boolean | null;
}

/** All answers about one account: one finding for all that is granted, one for each verb that is not. */
export function judgeAccess(account: string, facts: readonly AccessFact[]): readonly CheckFinding[] {
  const asked = facts.filter(({ allowed }) => allowed !== null);
  const denied = facts.filter(({ allowed }) => allowed === false);
  if (asked.length < facts.length) {
    const hint = "ask as somebody who may create SubjectAccessReviews, such as a cluster administrator";
    const message = `${facts.length - asked.length} verbs could not be asked about`;
    return [bad("unknown", "access", account, message, hint)];
  }
  if (denied.length === 0) return [ok("access", account, `all ${facts.length} verbs`)];
  const hint = "apply the roles of the manifests again: kubectl apply -k manifests/default";
  if (denied.length === facts.length) {
    return [bad("failed", "access", account, `may do none of ${facts.length} verbs: it has no roles`, hint)];
  }
  return denied.map(({ grant, verb, purpose }) => {
    const resource = grant.group === "" ? grant.resource : `${grant.resource}.${grant.group}`;
    const which = grant.names === undefined ? "" : ` ${grant.names[0]}`;
    return bad("failed", "access", account, `may not ${verb} ${resource}${which}: ${purpose}`, hint);
  });
}
