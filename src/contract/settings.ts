/**
 * Transport settings: the published bytes that every binding carries, and the values that hub and connector obey.
 * The first must equal what the workflow operator writes (control-plane X-04); the second merge what users wrote
 * and apply defaults once, at the end (DECISIONS W-21, K-10).
 */
import { readSections } from "./effective-settings.ts";
import type { EffectiveSettings } from "./effective-settings.ts";
import { lowerCase, trimSpace } from "./go-text.ts";
import { writeJson } from "./json-write.ts";
import type { JsonObject, JsonValue } from "./resources.ts";
import { securityFaults } from "./security-rule.ts";
import { choice, streamingFaults } from "./settings-faults.ts";
import {
  applyDefaults,
  deepMerge,
  mergeWritten,
  readSettings,
  readStreaming,
  refuse,
  settingsPaths,
} from "./settings-merge.ts";
import type { SettingsSource, WrittenFault } from "./settings-merge.ts";
import { decodeMerged, isJsonArray, isJsonObject, settingValues } from "./settings-schema.ts";
import type { TypeFault } from "./settings-schema.ts";

export type { EffectiveSettings, SettingsSource };

/**
 * The text of `spec.rawSettings`, byte for byte as the workflow operator publishes it: defaults at both levels,
 * the Story's level on top (control-plane B-20 … B-25). Values that decode are not judged. Throws `InvalidSettings`
 * for the first level that does not decode, with its path as subject and before the operator's own words.
 */
export function mergePublished(transport: SettingsSource, story: SettingsSource): string {
  // Both levels are decoded before either is merged, as the API server would.
  const levels = ([["transport", transport], ["story", story]] as const).map(([level, source]) => {
    const faults: WrittenFault[] = [];
    return { level, source, streaming: applyDefaults(readStreaming(source, level, faults)), faults };
  });
  refuse(levels.flatMap(({ faults }) => faults));
  const [weaker = {}, stronger = {}] = levels.map(({ level, source, streaming }) => {
    const faults: WrittenFault[] = [];
    const settings = readSettings(source, level, faults);
    refuse(faults);
    return deepMerge(settings, streaming);
  });
  return writeJson(deepMerge(weaker, stronger));
}

/** The document of effective settings as text, keys sorted. */
export function settingsText(settings: EffectiveSettings): string {
  return writeJson(settings.document);
}

/**
 * Settings in force for the steps of one transport entry. Throws `InvalidSettings` that names every value which
 * does not parse or is out of range, with the path where it was written.
 */
export function effectiveSettings(transport: SettingsSource, story: SettingsSource): EffectiveSettings {
  const faults: WrittenFault[] = [];
  const written = normaliseRoutingMode(mergeWritten(transport, story, faults));
  const typeFaults: TypeFault[] = [];
  const streaming = decodeMerged(written, typeFaults);
  const place = placeOf(transport, story);
  faults.push(...typeFaults.map(({ path, message }) => ({ path: place(path), message })));
  faults.push(...[...streamingFaults(streaming), ...closedValueFaults(streaming)].map(
    ({ path, sentence }) => ({ path: place(path), message: `${sentence}${metValue(streaming, path)}` }),
  ));
  faults.push(...securityFaults(written, "").map(({ field, detail }) => ({ path: place(field), message: detail })));
  refuse(faults);
  const effective = applyDefaults(streaming);
  return { ...readSections(effective), document: deepMerge(written, effective) };
}

/** `routing.mode` is read trimmed and in any case (control-plane T-11). */
function normaliseRoutingMode(settings: JsonObject): JsonObject {
  const { routing } = settings;
  if (!isJsonObject(routing) || typeof routing["mode"] !== "string") return settings;
  return { ...settings, routing: { ...routing, mode: lowerCase(trimSpace(routing["mode"])) } };
}

/** Says where the strongest source has a path. */
function placeOf(transport: SettingsSource, story: SettingsSource): (path: string) => string {
  const sources = ([["story", story], ["transport", transport]] as const).flatMap(([level, source]) => {
    const paths = source.paths ?? settingsPaths[level];
    return [
      { place: paths.streaming, value: source.streaming ?? {} },
      { place: paths.settings, value: readSettings(source, level, []) },
    ];
  });
  return (path) => {
    const source = sources.find(({ value }) => valueAt(value, path) !== undefined) ?? sources[0];
    return `${source?.place}.${path}`;
  };
}

function valueAt(value: JsonValue, path: string): JsonValue | undefined {
  let at: JsonValue | undefined = value;
  for (const key of path.split(/[.[\]]+/).filter((part) => part !== "")) {
    if (isJsonArray(at)) at = at[Number(key)];
    else if (isJsonObject(at) && Object.hasOwn(at, key)) at = at[key];
    else return undefined;
  }
  return at;
}

function metValue(streaming: JsonObject, path: string): string {
  const value = valueAt(streaming, path);
  return value === undefined || typeof value === "object" ? "" : `, got ${JSON.stringify(value)}`;
}

/** Closed values that the webhooks leave to the CRD schema. */
function closedValueFaults(streaming: JsonObject): readonly { path: string; sentence: string }[] {
  const faults: { path: string; sentence: string }[] = [];
  const check = (value: JsonValue | undefined, values: readonly string[], path: string): void => {
    if (typeof value !== "string" || value === "" || values.includes(value)) return;
    faults.push({ path, sentence: `${path.slice(path.lastIndexOf(".") + 1)} must be ${choice(values)}` });
  };
  const lanes = streaming["lanes"];
  for (const [i, lane] of (isJsonArray(lanes) ? lanes : []).entries()) {
    if (!isJsonObject(lane)) continue;
    check(lane["kind"], settingValues.laneKind, `lanes[${i}].kind`);
    check(lane["direction"], settingValues.direction, `lanes[${i}].direction`);
  }
  const fanIn = streaming["fanIn"];
  if (isJsonObject(fanIn)) check(fanIn["mode"], settingValues.fanIn, "fanIn.mode");
  return faults;
}
