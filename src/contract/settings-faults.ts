/**
 * What is wrong with decoded streaming settings: ranges, closed values, durations and doubles, in the words of the
 * existing admission webhooks (control-plane B-07, 1.3.1, 1.8).
 */
import { parseGoDuration } from "./duration.ts";

import { goQuote, lowerCase, trimSpace } from "./go-text.ts";
import type { JsonObject, JsonValue } from "./resources.ts";
import { isJsonArray, isJsonObject, streamingSettings } from "./settings-schema.ts";
import type { Bound, Setting, TextRule } from "./settings-schema.ts";

/** One fault. `path` is below the settings, with positions in lists: `lanes[0].kind`. */
export interface SettingFault {
  readonly path: string;
  readonly type: "FieldValueInvalid" | "FieldValueRequired" | "FieldValueDuplicate";
  /** Without the field's name; empty for a duplicate. */
  readonly detail: string;
  /** The whole sentence, with the field's name where the detail needs it. */
  readonly sentence: string;
}

/** All faults of settings that were decoded by `decodeStreaming`, in the order of the table. */
export function streamingFaults(streaming: JsonObject): readonly SettingFault[] {
  return Object.entries(streamingSettings.fields).flatMap(([name, setting]) => {
    const value = streaming[name];
    if (value === undefined) return [];
    if (name === "lanes") return isJsonArray(value) ? laneFaults(value) : [];
    return name === "fanIn" ? fanInFaults(value) : faultsOf(setting, value, name);
  });
}

function faultsOf(setting: Setting, value: JsonValue | undefined, path: string): readonly SettingFault[] {
  if (value === undefined) return [];
  switch (setting.kind) {
    case "boolean":
      return [];
    case "integer":
      return boundFault(setting.bound, value, path);
    case "text":
      return setting.rule === undefined ? [] : textFault(setting.rule, String(value), path);
    case "object":
      if (!isJsonObject(value)) return [];
      return Object.entries(setting.fields).flatMap(([name, field]) => {
        if (name === "target") return targetFaults(value[name], `${path}.target.steps`);
        return faultsOf(field, value[name], `${path}.${name}`);
      });
    case "list":
      if (!isJsonArray(value)) return [];
      return value.flatMap((item, i) => {
        const place = `${path}[${i}]`;
        if (setting.item.kind !== "text") return faultsOf(setting.item, item, place);
        return isBlank(item) ? [plain(place, "FieldValueInvalid", "redact field cannot be empty")] : [];
      });
    default:
      return setting satisfies never;
  }
}

const bounds: Readonly<Record<Bound, { holds(value: number): boolean; detail: string }>> = {
  nonNegative: { holds: (value) => value >= 0, detail: "must be non-negative" },
  atLeastOne: { holds: (value) => value >= 1, detail: "must be >= 1" },
  percent: { holds: (value) => value >= 0 && value <= 100, detail: "must be between 0 and 100" },
};

function boundFault(bound: Bound, value: JsonValue, path: string): readonly SettingFault[] {
  const { holds, detail } = bounds[bound];
  return typeof value !== "number" || holds(value) ? [] : [named(path, detail)];
}

function textFault(rule: TextRule, value: string, path: string): readonly SettingFault[] {
  const trimmed = trimSpace(value);
  switch (rule.rule) {
    case "notBlank":
      return trimmed === "" ? [named(path, "must be non-empty when set")] : [];
    case "duration": {
      if (trimmed === "") return [];
      const duration = parseGoDuration(trimmed);
      return duration !== null && duration > 0n ? [] : [named(path, "must be a valid positive duration")];
    }
    case "oneOf": {
      const compared = rule.ignoreCase ? lowerCase(trimmed) : value;
      return trimmed === "" || rule.values.includes(compared) ? [] : [named(path, `must be ${choice(rule.values)}`)];
    }
    default:
      return rule satisfies never;
  }
}

/** `a or b`, `a, b, or c`. */
export function choice(values: readonly string[]): string {
  if (values.length <= 2) return values.join(" or ");
  return `${values.slice(0, -1).join(", ")}, or ${values.at(-1)}`;
}

function targetFaults(target: JsonValue | undefined, path: string): readonly SettingFault[] {
  const steps = isJsonObject(target) && isJsonArray(target["steps"]) ? target["steps"] : [];
  const seen = new Set<string>();
  return steps.flatMap((step, i) => {
    const name = trimSpace(String(step));
    const place = `${path}[${i}]`;
    if (name === "") return [plain(place, "FieldValueRequired", "target step name cannot be empty")];
    if (seen.has(name)) return [duplicate(place, `duplicate step ${goQuote(name)}`)];
    seen.add(name);
    return [];
  });
}

function laneFaults(lanes: readonly JsonValue[]): readonly SettingFault[] {
  const first = { name: new Map<string, number>(), kind: new Map<string, number>() };
  return lanes.flatMap((lane, i) => {
    if (!isJsonObject(lane)) return [];
    const faults: SettingFault[] = [];
    for (const field of ["name", "kind"] as const) {
      const text = trimSpace(String(lane[field] ?? ""));
      const before = first[field].get(text);
      if (text === "") faults.push(plain(`lanes[${i}].${field}`, "FieldValueRequired", `lane ${field} must be set`));
      else if (before === undefined) first[field].set(text, i);
      else faults.push(duplicate(`lanes[${before}].${field}`, `duplicate lane ${field} ${goQuote(text)}`));
    }
    for (const field of ["maxMessages", "maxBytes"]) {
      faults.push(...boundFault("nonNegative", lane[field] ?? 0, `lanes[${i}].${field}`));
    }
    return faults;
  });
}

function fanInFaults(fanIn: JsonValue): readonly SettingFault[] {
  if (!isJsonObject(fanIn)) return [];
  const { quorum } = fanIn;
  const faults: SettingFault[] = [];
  if (trimSpace(String(fanIn["mode"] ?? "")) === "quorum") {
    if (typeof quorum !== "number" || quorum < 1) {
      faults.push(plain("fanIn.quorum", "FieldValueRequired", "quorum must be set when mode=quorum"));
    }
  } else if (quorum !== undefined) {
    faults.push(plain("fanIn.quorum", "FieldValueInvalid", "quorum is only valid when mode=quorum"));
  }
  return [
    ...faults,
    ...boundFault("nonNegative", fanIn["timeoutSeconds"] ?? 0, "fanIn.timeoutSeconds"),
    ...boundFault("atLeastOne", fanIn["maxEntries"] ?? 1, "fanIn.maxEntries"),
  ];
}

function isBlank(value: JsonValue): boolean {
  return trimSpace(String(value)) === "";
}

function named(path: string, detail: string): SettingFault {
  return { path, type: "FieldValueInvalid", detail, sentence: `${path.slice(path.lastIndexOf(".") + 1)} ${detail}` };
}

function plain(path: string, type: SettingFault["type"], sentence: string): SettingFault {
  return { path, type, detail: sentence, sentence };
}

function duplicate(path: string, sentence: string): SettingFault {
  return { path, type: "FieldValueDuplicate", detail: "", sentence };
}
