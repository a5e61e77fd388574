/** The manifests as their source renders them, object by object. */
import { parseAllDocuments } from "yaml";
import { renderAll } from "../../scripts/manifests/render.ts";
import type { ApiObject } from "./apiserver/api.ts";

const files = renderAll();

/** The objects of a folder, with those that its kustomization takes from elsewhere, before any patch. */
export function objectsOf(folder: string): readonly ApiObject[] {
  const file = files.get(`${folder}/kustomization.yaml`);
  if (file === undefined) throw new Error(`no ${folder}`);
  const { resources = [], components = [] } = parse(file)[0] as {
    readonly resources?: readonly string[];
    readonly components?: readonly string[];
  };
  return [...resources, ...components].flatMap((entry) => {
    if (!entry.endsWith(".yaml")) return objectsOf(resolve(folder, entry));
    return parse(files.get(`${folder}/${entry}`) ?? "") as ApiObject[];
  });
}

function resolve(folder: string, entry: string): string {
  return new URL(entry, `file:///${folder}/`).pathname.slice(1);
}

/** The documents of a file. */
export function parse(text: string): readonly unknown[] {
  return parseAllDocuments(text).flatMap((document) => {
    const value = document.toJS() as unknown;
    return value === null ? [] : [value];
  });
}

/** A rule of a role, as RBAC has it. */
export interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

export interface Role extends ApiObject {
  readonly rules: readonly Rule[];
}

/** One permission: a verb on a resource, by a role. */
export interface Permission {
  readonly role: Role;
  readonly index: number;
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
}

/** ClusterRole and Role of a program, for example `bobravoz-grpc-hub`. */
export function rolesOf(name: string): readonly Role[] {
  return objectsOf("default").filter(({ kind, metadata }) =>
    (kind === "ClusterRole" || kind === "Role") && metadata.name === name
  ) as Role[];
}

/** Every verb of a role, one by one. */
export function permissionsOf(role: Role): readonly Permission[] {
  return role.rules.flatMap(({ apiGroups = [], resources = [], verbs }, index) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => ({ role, index, group, resource, verb })))
    )
  );
}

/** The role without one of its permissions; a rule that has no verb left is gone. */
export function withoutVerb({ role, index, verb }: Permission): Role {
  const rules = role.rules.flatMap((rule, at) => {
    const verbs = at === index ? rule.verbs.filter((other) => other !== verb) : rule.verbs;
    return verbs.length === 0 ? [] : [{ ...rule, verbs }];
  });
  return { ...role, rules };
}
