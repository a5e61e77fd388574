/** Where a setting stands that a merge took over: the path that a person has to edit. */
import type { JsonValue } from "../contract/resources.ts";
import { settingPlaces } from "./transports.ts";
import type { StepTransport } from "./transports.ts";

/** The value at a path of keys; undefined where there is none. */
export function valueAt(value: unknown, keys: readonly string[]): unknown {
  for (const key of keys) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/**
 * Path of a setting in the strongest place that has it: `spec.transports[0].streaming.…` of the Story, or
 * `Transport speech: spec.streaming.…` (data-plane 3.19: later wins). The Story's `streaming` when none has it.
 */
export function settingPath(step: StepTransport, keys: readonly string[]): string {
  const { entry, index, transport } = step;
  if (keys.length === 0) return `spec.transports[${index}]`;
  const paths = settingPlaces(step);
  const places: readonly (readonly [string, JsonValue | undefined])[] = [
    [paths.story.streaming, entry.streaming],
    [paths.story.settings, parsed(entry.settings)],
    [paths.transport.streaming, transport.spec.streaming],
    [paths.transport.settings, parsed(transport.spec.defaultSettings)],
  ];
  const [place] = places.find(([, value]) => valueAt(value, keys) !== undefined) ?? places[0]!;
  return `${place}.${keys.join(".")}`;
}

/** Settings may come as JSON text; what does not parse was refused before. */
function parsed(settings: JsonValue | undefined): JsonValue | undefined {
  return typeof settings === "string" && settings !== "" ? JSON.parse(settings) as JsonValue : settings;
}
