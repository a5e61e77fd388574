/**
 * Whether a server-side apply of a status would change anything, judged from the object as it was seen last: its status
 * and, in `managedFields`, what the manager applied before. So no request is made where nothing would be written, also
 * not after a restart.
 */
import type { JsonObject, JsonValue } from "../../../contract/resources.ts";
import { sameJson } from "../../../contract/same-json.ts";

/** One entry of `metadata.managedFields`. */
export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly fieldsV1?: JsonObject;
}

/** `f:status` of each manager that applied to the status, by its name. */
export type StatusOwners = ReadonlyMap<string, JsonObject>;

/** Keeps of `managedFields` what `isApplied` reads: applies to `/status` by managers whose names begin with `prefix`. */
export function statusOwners(entries: readonly ManagedFields[] | undefined, prefix: string): StatusOwners {
  const owners = new Map<string, JsonObject>();
  for (const { manager = "", operation, subresource, fieldsV1 } of entries ?? []) {
    if (operation !== "Apply" || subresource !== "status" || !manager.startsWith(prefix)) continue;
    const fields = fieldsV1?.["f:status"];
    if (isObject(fields)) owners.set(manager, fields);
  }
  return owners;
}

/**
 * True where every field of `wanted` has its value in `current` and belongs to the manager, and the manager owns no
 * field that `wanted` leaves out. `conditions` is a list map by `type`; other lists are one value.
 */
export function isApplied(current: JsonObject, owned: JsonObject | undefined, wanted: JsonObject): boolean {
  if (owned === undefined) return false;
  return Object.keys(wanted).every((name) => hasMember(current, owned, name, wanted[name])) &&
    Object.keys(owned).every((field) =>
      field === "." || field === "f:conditions" || wanted[field.slice(2)] !== undefined
    ) &&
    (wanted["conditions"] !== undefined || conditionKeys(owned["f:conditions"]).length === 0);
}

function hasMember(current: JsonObject, owned: JsonObject, name: string, wanted: JsonValue | undefined): boolean {
  if (wanted === undefined) return true;
  const fields = owned[`f:${name}`];
  const value = current[name];
  if (fields === undefined || value === undefined) return false;
  if (name === "conditions" && Array.isArray(wanted)) {
    return Array.isArray(value) && hasConditions(value as JsonObject[], fields, wanted as JsonObject[]);
  }
  return covers(value, fields, wanted);
}

/** Objects field by field, unless the schema makes one a value of its own: then it has no fields below. */
function covers(value: JsonValue, fields: JsonValue, wanted: JsonValue): boolean {
  if (!isObject(wanted) || !isObject(value) || !isObject(fields) || Object.keys(fields).length === 0) {
    return sameJson(value, wanted);
  }
  return Object.keys(wanted).every((name) => {
    const member = wanted[name];
    if (member === undefined) return true;
    const at = value[name];
    const owns = fields[`f:${name}`];
    return at !== undefined && owns !== undefined && covers(at, owns, member);
  }) && Object.keys(fields).every((field) => field === "." || wanted[field.slice(2)] !== undefined);
}

function hasConditions(current: readonly JsonObject[], fields: JsonValue, wanted: readonly JsonObject[]): boolean {
  const keys = conditionKeys(fields);
  // a list without keys in the schema belongs to one manager as a whole
  if (keys.length === 0) return sameJson([...current], [...wanted]);
  if (keys.length !== wanted.length) return false;
  return wanted.every((condition) => {
    const { type } = condition;
    const key = keys.find((each) => (JSON.parse(each.slice(2)) as { type?: JsonValue }).type === type);
    const value = current.find((each) => each["type"] === type);
    return key !== undefined && value !== undefined && covers(value, (fields as JsonObject)[key]!, condition);
  });
}

function conditionKeys(fields: JsonValue | undefined): readonly string[] {
  return isObject(fields) ? Object.keys(fields).filter((field) => field.startsWith("k:")) : [];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
