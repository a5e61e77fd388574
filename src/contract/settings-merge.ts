/**
 * Merging transport settings (control-plane 4.3): two levels of two sources each, the later one wins, and the
 * documented defaults.
 */
import { TransportError } from "./errors.ts";
import { jsonValue, maxValueDepth, parseJson } from "./json-text.ts";
import type { JsonObject, JsonValue } from "./resources.ts";
import { decodeStreaming, isJsonArray, isJsonObject } from "./settings-schema.ts";
import type { TypeFault } from "./settings-schema.ts";

/** Settings at one level: of a Transport, or of a Story's transport entry. */
export interface SettingsSource {
  /** Free JSON (`defaultSettings`, `settings`), as a value or as its text. */
  readonly settings?: JsonValue | undefined;
  /** Structured settings (control-plane 1.8). */
  readonly streaming?: JsonObject | undefined;
  /** Where the two stand, for messages. Default: `settingsPaths`. */
  readonly paths?: SettingsPaths | undefined;
}

export interface SettingsPaths {
  readonly settings: string;
  readonly streaming: string;
}

/** The two levels, weaker first. */
export type SettingsLevel = "transport" | "story";

/** Where the parts of a level stand in manifests. */
export const settingsPaths: Readonly<Record<SettingsLevel, SettingsPaths>> = {
  transport: { settings: "Transport: spec.defaultSettings", streaming: "Transport: spec.streaming" },
  story: { settings: "spec.transports[].settings", streaming: "spec.transports[].streaming" },
};

/** Something wrong in settings, with the path that a person has to edit. */
export interface WrittenFault {
  readonly path: string;
  readonly message: string;
}

/** Throws `InvalidSettings` with all faults, each as `path: message`; the subject is the first one's path. */
export function refuse(faults: readonly WrittenFault[]): void {
  const [first] = faults;
  if (first === undefined) return;
  const messages = faults.map(({ path, message }) => `${path}: ${message}`);
  throw new TransportError("InvalidSettings", messages.join("; "), { path: first.path });
}

/** All four sources merged in the documented order, without any default; appends what does not decode to `faults`. */
export function mergeWritten(
  transport: SettingsSource,
  story: SettingsSource,
  faults: WrittenFault[],
): JsonObject {
  return ([["transport", transport], ["story", story]] as const).reduce(
    (merged, [level, source]) =>
      deepMerge(deepMerge(merged, readSettings(source, level, faults)), readStreaming(source, level, faults)),
    {} as JsonObject,
  );
}

/** Structured settings of a level, decoded; appends what does not fit to `faults`. */
export function readStreaming(source: SettingsSource, level: SettingsLevel, faults: WrittenFault[]): JsonObject {
  const found: TypeFault[] = [];
  const streaming = decodeStreaming(source.streaming, found);
  const { streaming: place } = source.paths ?? settingsPaths[level];
  faults.push(...found.map(({ path, message }) => ({ path: path === "" ? place : `${place}.${path}`, message })));
  return streaming;
}

/** Free settings of a level as an object; absent and `null` are no settings. */
export function readSettings(source: SettingsSource, level: SettingsLevel, faults: WrittenFault[]): JsonObject {
  const { settings } = source;
  if (settings === undefined || settings === null) return {};
  const read = isJsonObject(settings) ? bounded(settings) : decode(settings);
  if (typeof read !== "string") return read;
  const { settings: path } = source.paths ?? settingsPaths[level];
  faults.push({ path, message: `failed to unmarshal engram 'with' block: ${read}` });
  return {};
}

function decode(settings: JsonValue): JsonObject | string {
  return typeof settings === "string" ? decodeText(settings) : cannotDecode(kindOf(settings));
}

/** Manifests are not nested deeper than texts may be: what merges and writes them calls itself. */
function bounded(settings: JsonObject): JsonObject | string {
  return isDeeper(settings, maxValueDepth) ? `value is nested more than ${maxValueDepth} deep` : settings;
}

function isDeeper(value: JsonValue, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth < 0 || Object.values(value).some((member) => isDeeper(member, depth - 1));
}

/** The object of a JSON text, or what Go says about it. */
function decodeText(text: string): JsonObject | string {
  const parsed = parseJson(text);
  if ("fault" in parsed) return parsed.fault;
  const { node } = parsed;
  if (node.kind === "null") return {};
  if (node.kind !== "object") return cannotDecode(node.kind);
  const read = jsonValue(node);
  if ("fault" in read) return read.fault;
  return isJsonObject(read.value) ? read.value : {};
}

function kindOf(value: JsonValue): string {
  if (isJsonArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

function cannotDecode(kind: string): string {
  return `json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`;
}

/** Objects merge by key, recursively; anything else is replaced by the overlay's value (control-plane B-21). */
export function deepMerge(base: JsonObject, overlay: JsonObject): JsonObject {
  const merged = new Map<string, JsonValue>(Object.entries(base));
  for (const [key, value] of Object.entries(overlay)) {
    const below = merged.get(key);
    merged.set(key, isJsonObject(value) && isJsonObject(below) ? deepMerge(below, value) : value);
  }
  return Object.fromEntries(merged);
}

const defaultFlowControl = {
  ackEvery: { messages: 10, maxDelay: "250ms" },
  pauseThreshold: { bufferPct: 90 },
  resumeThreshold: { bufferPct: 50 },
} as const;

const defaultLane = { direction: "bidirectional", maxMessages: 100, maxBytes: 1_048_576 } as const;
const defaultLaneKinds = ["audio", "video", "binary", "payload"] as const;
const defaultMaxDownstreams = 32;

/** Structured settings with the documented defaults where nothing is set (control-plane B-23). */
export function applyDefaults(streaming: JsonObject): JsonObject {
  return {
    ...streaming,
    flowControl: withFlowControl(objectAt(streaming, "flowControl")),
    routing: { maxDownstreams: defaultMaxDownstreams, ...objectAt(streaming, "routing") },
    lanes: withLanes(streaming["lanes"]),
  };
}

function objectAt(value: JsonObject, key: string): JsonObject {
  const member = value[key];
  return isJsonObject(member) ? member : {};
}

function withFlowControl(given: JsonObject): JsonObject {
  const { mode } = given;
  const parts = ["initialCredits", "ackEvery", "pauseThreshold", "resumeThreshold"];
  if (mode === undefined && parts.every((part) => given[part] === undefined)) {
    return { ...defaultFlowControl, mode: "credits" };
  }
  return mode === "credits" || mode === "window" ? { ...defaultFlowControl, ...given } : given;
}

function withLanes(lanes: JsonValue | undefined): readonly JsonValue[] {
  if (!isJsonArray(lanes) || lanes.length === 0) {
    return defaultLaneKinds.map((kind) => ({ name: kind, kind, ...defaultLane }));
  }
  return lanes.map((lane) => isJsonObject(lane) ? { ...defaultLane, ...lane } : lane);
}
