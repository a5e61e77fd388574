/** Where two settings documents differ, path by path. */
import type { JsonValue } from "../../contract/resources.ts";

export interface SettingDifference {
  /** `flowControl.ackEvery.messages`, `lanes[0].maxBytes`. */
  readonly path: string;
  /** Undefined where the binding does not say it. */
  readonly published: JsonValue | undefined;
  /** Undefined where hub and connector do not know it. */
  readonly effective: JsonValue | undefined;
}

/** Leaves that differ, in order of their paths. */
export function differences(published: JsonValue, effective: JsonValue): readonly SettingDifference[] {
  const a = leaves(published);
  const b = leaves(effective);
  return [...new Set([...a.keys(), ...b.keys()])].sort()
    .filter((path) => a.get(path) !== b.get(path))
    .map((path) => ({ path, published: a.get(path), effective: b.get(path) }));
}

function leaves(value: JsonValue, path = "", into = new Map<string, JsonValue>()): ReadonlyMap<string, JsonValue> {
  if (Array.isArray(value)) {
    value.forEach((item: JsonValue, i: number) => leaves(item, `${path}[${i}]`, into));
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) leaves(item, path === "" ? key : `${path}.${key}`, into);
  } else {
    into.set(path, value);
  }
  return into;
}
