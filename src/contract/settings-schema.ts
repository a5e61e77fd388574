/**
 * The streaming settings of Transports and Stories as one table (control-plane 1.8): every path with its type and
 * bounds. Decoding, validation and defaults all walk it.
 */
import type { JsonObject, JsonValue } from "./resources.ts";

/** A path's value. `keepEmpty`: an empty text is written out again instead of being dropped. */
export type Setting =
  | { readonly kind: "integer"; readonly bound: Bound }
  | { readonly kind: "boolean" }
  | { readonly kind: "text"; readonly keepEmpty: boolean; readonly rule?: TextRule }
  | { readonly kind: "object"; readonly fields: Readonly<Record<string, Setting>> }
  | { readonly kind: "list"; readonly item: Setting };

export type Bound = "nonNegative" | "atLeastOne" | "percent";

export type TextRule =
  | { readonly rule: "oneOf"; readonly values: readonly string[]; readonly ignoreCase?: boolean }
  | { readonly rule: "duration" }
  | { readonly rule: "notBlank" };

export type ObjectSetting = Extract<Setting, { kind: "object" }>;

const integer = (bound: Bound): Setting => ({ kind: "integer", bound });
const boolean: Setting = { kind: "boolean" };
const text: Setting = { kind: "text", keepEmpty: false };
const keptText: Setting = { kind: "text", keepEmpty: true };
const duration: Setting = { kind: "text", keepEmpty: true, rule: { rule: "duration" } };
const list = (item: Setting): Setting => ({ kind: "list", item });
const object = <Fields extends Readonly<Record<string, Setting>>>(fields: Fields) =>
  ({ kind: "object", fields }) as const;

/** The values of each closed setting, once; the first is what holds where nothing is set. */
export const settingValues = {
  dropPolicy: ["drop_newest", "drop_oldest"],
  flowControl: ["none", "credits", "window"],
  ordering: ["none", "per_stream", "per_partition"],
  semantics: ["best_effort", "at_least_once"],
  replay: ["none", "memory", "durable"],
  routing: ["auto", "hub", "p2p"],
  fanOut: ["sequential", "parallel"],
  action: ["allow", "deny"],
  laneKind: ["audio", "video", "binary", "payload", "control"],
  direction: ["bidirectional", "publish", "subscribe"],
  fanIn: ["all", "any", "quorum"],
  partitioning: ["none", "preserve", "hash"],
  strategy: ["rolling", "drain_cutover", "blue_green"],
  samplePolicy: ["rate", "random", "always", "never"],
  recording: ["off", "metadata", "payload"],
} as const;

const oneOf = (values: readonly string[]): Setting => ({
  kind: "text",
  keepEmpty: false,
  rule: { rule: "oneOf", values },
});

/** In the order in which faults are reported. */
export const streamingSettings = object({
  backpressure: object({
    buffer: object({
      maxMessages: integer("nonNegative"),
      maxBytes: integer("nonNegative"),
      maxAgeSeconds: integer("nonNegative"),
      dropPolicy: oneOf(settingValues.dropPolicy),
    }),
  }),
  flowControl: object({
    mode: oneOf(settingValues.flowControl),
    initialCredits: object({ messages: integer("nonNegative"), bytes: integer("nonNegative") }),
    ackEvery: object({ messages: integer("nonNegative"), bytes: integer("nonNegative"), maxDelay: duration }),
    pauseThreshold: object({ bufferPct: integer("percent") }),
    resumeThreshold: object({ bufferPct: integer("percent") }),
  }),
  delivery: object({
    ordering: oneOf(settingValues.ordering),
    semantics: oneOf(settingValues.semantics),
    replay: object({
      mode: oneOf(settingValues.replay),
      retentionSeconds: integer("nonNegative"),
      checkpointInterval: duration,
    }),
  }),
  routing: object({
    mode: oneOf(settingValues.routing),
    fanOut: oneOf(settingValues.fanOut),
    maxDownstreams: integer("atLeastOne"),
    rules: list(object({
      name: text,
      when: keptText,
      action: oneOf(settingValues.action),
      target: object({ steps: list(keptText) }),
    })),
  }),
  partitioning: object({
    mode: oneOf(settingValues.partitioning),
    key: { kind: "text", keepEmpty: true, rule: { rule: "notBlank" } },
    partitions: integer("atLeastOne"),
    sticky: boolean,
  }),
  lifecycle: object({
    strategy: oneOf(settingValues.strategy),
    drainTimeoutSeconds: integer("nonNegative"),
    maxInFlight: integer("nonNegative"),
  }),
  observability: object({
    metrics: object({ enabled: boolean }),
    tracing: object({
      enabled: boolean,
      sampleRate: integer("percent"),
      samplePolicy: {
        kind: "text",
        keepEmpty: true,
        rule: { rule: "oneOf", values: settingValues.samplePolicy, ignoreCase: true },
      },
    }),
    watermark: object({ enabled: boolean, timestampSource: keptText }),
  }),
  recording: object({
    mode: oneOf(settingValues.recording),
    sampleRate: integer("percent"),
    retentionSeconds: integer("nonNegative"),
    redactFields: list(keptText),
  }),
  lanes: list(object({
    name: keptText,
    kind: keptText,
    direction: text,
    description: text,
    maxMessages: integer("nonNegative"),
    maxBytes: integer("nonNegative"),
  })),
  fanIn: object({
    mode: text,
    quorum: integer("atLeastOne"),
    timeoutSeconds: integer("nonNegative"),
    maxEntries: integer("atLeastOne"),
  }),
});

/** A value of the wrong type, with its path below the settings. */
export interface TypeFault {
  readonly path: string;
  readonly message: string;
}

/**
 * Structured settings as the operator's own types hold them: names in any case, unknown names dropped, `null` as
 * unset, empty texts and lists left out where the type leaves them out. Appends what does not fit to `faults`.
 */
export function decodeStreaming(settings: JsonValue | undefined, faults: TypeFault[]): JsonObject {
  if (settings === undefined || settings === null) return {};
  if (isJsonObject(settings)) return decodeObject(streamingSettings, settings, "", { faults, anyCase: true });
  faults.push({ path: "", message: `must be an object, got ${describeJson(settings)}` });
  return {};
}

/** The streaming part of merged settings: as `decodeStreaming`, with names in their own case only. */
export function decodeMerged(settings: JsonObject, faults: TypeFault[]): JsonObject {
  return decodeObject(streamingSettings, settings, "", { faults, anyCase: false });
}

interface Decoding {
  readonly faults: TypeFault[];
  readonly anyCase: boolean;
}

/** `before` is what an earlier spelling of the same name gave; objects go on where it stopped. */
function decodeObject(
  setting: ObjectSetting,
  value: JsonObject,
  path: string,
  decoding: Decoding,
  before: JsonValue | undefined = undefined,
): JsonObject {
  const result: Record<string, JsonValue> = isJsonObject(before) ? { ...before } : {};
  for (const [key, member] of Object.entries(value)) {
    const name = decoding.anyCase || Object.hasOwn(setting.fields, key) ? fieldName(setting, key) : undefined;
    const field = name === undefined ? undefined : setting.fields[name];
    if (name === undefined || field === undefined) continue;
    if (member === null) {
      // Null unsets what a pointer of the operator's types holds and leaves a plain text as it is.
      if (field.kind !== "text" || field.keepEmpty) delete result[name];
      continue;
    }
    const place = path === "" ? name : `${path}.${name}`;
    const decoded = decode(field, member, place, decoding, result[name]);
    if (decoded === undefined) delete result[name];
    else result[name] = decoded;
  }
  // A lane is written with its name and kind even where they are empty.
  if (setting.fields["kind"] !== undefined && setting.fields["direction"] !== undefined) {
    result["name"] ??= "";
    result["kind"] ??= "";
  }
  return result;
}

/**
 * Paths of the names that the table does not have, in order: they are read by nobody, as by the existing operators.
 * `isOpen`: the names at the top are everybody's own, and only what stands below ones that are known is judged.
 */
export function unknownSettings(settings: JsonValue | undefined, isOpen: boolean): readonly string[] {
  if (!isJsonObject(settings)) return [];
  const found = unknownIn(streamingSettings, settings, "");
  return isOpen ? found.filter((path) => /[.[]/.test(path)) : found;
}

function unknownIn(setting: Setting, value: JsonValue, path: string): readonly string[] {
  if (setting.kind === "list" && isJsonArray(value)) {
    return value.flatMap((item, i) => unknownIn(setting.item, item, `${path}[${i}]`));
  }
  if (setting.kind !== "object" || !isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    const name = fieldName(setting, key);
    const field = name === undefined ? undefined : setting.fields[name];
    const place = path === "" ? key : `${path}.${key}`;
    return field === undefined ? [place] : unknownIn(field, member, place);
  });
}

/** A field by its exact name, else by the same letters in another case, as Go matches them. */
function fieldName(setting: ObjectSetting, key: string): string | undefined {
  if (Object.hasOwn(setting.fields, key)) return key;
  const folded = foldKey(key);
  return Object.keys(setting.fields).find((name) => foldKey(name) === folded);
}

/** A key without its case; Go folds the Kelvin sign and the long s onto k and s too. */
export function foldKey(key: string): string {
  return key.replaceAll("\u212a", "k").replaceAll("\u017f", "s").replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function decode(
  setting: Setting,
  value: JsonValue,
  path: string,
  decoding: Decoding,
  before: JsonValue | undefined = undefined,
): JsonValue | undefined {
  const refuse = (expected: string): undefined => {
    decoding.faults.push({ path, message: `must be ${expected}, got ${describeJson(value)}` });
  };
  switch (setting.kind) {
    case "integer":
      return isInt32(value) ? value : refuse("a 32-bit integer");
    case "boolean":
      return typeof value === "boolean" ? value : refuse("true or false");
    case "text":
      if (typeof value !== "string") return refuse("a text");
      return value === "" && !setting.keepEmpty ? undefined : value;
    case "object":
      return isJsonObject(value) ? decodeObject(setting, value, path, decoding, before) : refuse("an object");
    case "list": {
      if (!isJsonArray(value)) return refuse("a list");
      const items = value.map((item, i) => decodeItem(setting.item, item, `${path}[${i}]`, decoding));
      return items.length === 0 ? undefined : items.filter((item) => item !== undefined);
    }
    default:
      return setting satisfies never;
  }
}

/** `null` in a list is an empty value of the item's type. */
function decodeItem(item: Setting, value: JsonValue, path: string, decoding: Decoding): JsonValue | undefined {
  if (value !== null) return decode(item, value, path, decoding);
  return item.kind === "object" ? decodeObject(item, {}, path, decoding) : "";
}

export function isInt32(value: JsonValue): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** A value in a few characters, for messages. */
export function describeJson(value: JsonValue): string {
  if (isJsonObject(value)) return "an object";
  if (isJsonArray(value)) return "a list";
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
