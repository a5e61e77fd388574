/**
 * Server-side apply of a status, in small: who owns which field, and what an apply by one manager changes.
 * `conditions` is a list map by `type`; every other list is one value. An apply takes a field over from whoever
 * owned it with another value (a forced apply).
 */
import type { JsonObject, JsonValue } from "../../contract/resources.ts";
import { sameJson } from "../../contract/same-json.ts";

/** Fields by manager; a field is the JSON text of its path. */
export type Ownership = ReadonlyMap<string, ReadonlySet<string>>;

export interface Applied {
  readonly status: JsonObject;
  readonly owners: Ownership;
  /** False: nothing is to be written (control-plane C-054). */
  readonly changed: boolean;
}

type Path = readonly string[];

/**
 * What the status becomes when `manager` applies `wanted`: fields that it applied before and leaves out now are
 * removed, unless another manager owns them too; everything else stays (control-plane C-052).
 */
export function applyStatus(
  current: JsonObject | undefined,
  owners: Ownership,
  manager: string,
  wanted: JsonObject,
): Applied {
  const before = flatten(current ?? {});
  const leaves = flatten(wanted);
  const next = new Map(before);
  const owned = new Map([...owners].map(([name, fields]) => [name, new Set(fields)]));
  const others = [...owned].filter(([name]) => name !== manager).map(([, fields]) => fields);

  for (const field of owned.get(manager) ?? []) {
    if (!leaves.has(field) && !others.some((fields) => fields.has(field))) next.delete(field);
  }
  for (const [field, value] of leaves) {
    if (before.has(field) && !sameJson(before.get(field)!, value)) others.forEach((fields) => fields.delete(field));
    next.set(field, value);
  }
  owned.set(manager, new Set(leaves.keys()));

  const changed = next.size !== before.size ||
    [...next].some(([field, value]) => !before.has(field) || !sameJson(before.get(field)!, value));
  return { status: changed || current === undefined ? unflatten(next) : current, owners: owned, changed };
}

/** Leaves by path; an empty object is a leaf, so that it survives. */
function flatten(status: JsonObject): Map<string, JsonValue> {
  const leaves = new Map<string, JsonValue>();
  const walk = (value: JsonValue, path: Path): void => {
    if (path.length === 1 && path[0] === "conditions" && Array.isArray(value)) {
      for (const item of value as JsonObject[]) walk(item, [...path, String(item.type)]);
    } else if (isObject(value) && Object.keys(value).length > 0) {
      for (const [key, member] of Object.entries(value)) if (member !== undefined) walk(member, [...path, key]);
    } else if (path.length > 0) {
      leaves.set(JSON.stringify(path), value);
    }
  };
  walk(status, []);
  return leaves;
}

function unflatten(leaves: ReadonlyMap<string, JsonValue>): JsonObject {
  const root: Record<string, JsonValue> = {};
  const conditions = new Map<string, Record<string, JsonValue>>();
  for (const [field, value] of leaves) {
    const path = JSON.parse(field) as string[];
    if (path[0] === "conditions" && path.length > 1) {
      let condition = conditions.get(path[1]!);
      if (condition === undefined) conditions.set(path[1]!, condition = {});
      if (path.length > 2) put(condition, path.slice(2), value);
    } else {
      put(root, path, value);
    }
  }
  // A condition whose fields are all gone but its key is gone itself.
  const whole = [...conditions.values()].filter((condition) => condition.status !== undefined);
  if (whole.length > 0) root.conditions = whole;
  return root;
}

function put(target: Record<string, JsonValue>, path: Path, value: JsonValue): void {
  let at = target;
  for (const key of path.slice(0, -1)) at = (at[key] ??= {}) as Record<string, JsonValue>;
  at[path[path.length - 1]!] = value;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
