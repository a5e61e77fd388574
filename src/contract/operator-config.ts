/**
 * Configuration of the operator's programs: flag, else variable, else ConfigMap, else default (control-plane 8.1, O-03,
 * C-100, C-101), read into one typed value, with everything that is wrong named at once.
 */
import { formatGoDuration, parseGoDuration } from "./duration.ts";
import { lowerCase, parseGoInteger, trimSpace } from "./go-text.ts";
import { type OperatorKey, type OperatorKeyFacts, operatorKeys, type ValueForm } from "./operator-keys.ts";
import type { JsonObject } from "./resources.ts";

type Value = number | boolean | string | JsonObject | null;

type ValueOf<Facts> = Facts extends { readonly allowed: readonly (infer Word)[] } ? Word
  : Facts extends { readonly form: "boolean" } ? boolean
  : Facts extends { readonly form: "text" } ? string
  : Facts extends { readonly form: "object" } ? JsonObject | null
  : number;

/** Every key with its value; durations in milliseconds, sizes in bytes. */
export type OperatorConfig = { readonly [Key in OperatorKey]: ValueOf<(typeof operatorKeys)[Key]> };

export type ConfigSource = "flag" | "variable" | "ConfigMap" | "default";

export interface ReadConfig {
  readonly config: OperatorConfig;
  /** Where each value is from. */
  readonly sources: Readonly<Record<OperatorKey, ConfigSource>>;
  /** What was ignored, each with what is used instead. */
  readonly faults: readonly string[];
  /** What the program must not start with (or, while it runs, not take over). */
  readonly refusals: readonly string[];
}

export interface ConfigInput {
  /** `data` of the ConfigMap; null: there is none (control-plane O-04). */
  readonly configMap: Readonly<Record<string, string>> | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By name, without dashes. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
}

const allKeys = Object.keys(operatorKeys) as OperatorKey[];

/** Reads it. A variable that is blank is not set; a flag that equals its default is not set (control-plane O-20). */
export function readOperatorConfig({ configMap, env, flags }: ConfigInput): ReadConfig {
  const faults: string[] = [];
  const refusals: string[] = [];
  const values: [OperatorKey, Value][] = [];
  const sources: [OperatorKey, ConfigSource][] = [];
  for (const key of allKeys) {
    const facts: OperatorKeyFacts = operatorKeys[key];
    const given = giver(key, facts, configMap ?? {}, env, flags);
    const read = given === null ? null : parse(facts.form, given.text);
    const value = read === null ? null : known(facts, read);
    values.push([key, value ?? defaultOf(facts)]);
    sources.push([key, given === null || value === null ? "default" : given.source]);
    if (given === null || (value !== null && !isQuirk(facts, given.text))) continue;
    if (facts.form === "object" && trimSpace(given.text) === "") continue;
    const wrong = `${given.name}: ${JSON.stringify(given.text)} is not ${wanted(facts)}`;
    const instead = value === null ? facts.fallback || "none" : configText(key, value);
    if (facts.isGuard) refusals.push(wrong);
    else faults.push(`${wrong}, ${instead} is used`);
  }
  for (const key of Object.keys(configMap ?? {})) {
    if (!(key in operatorKeys)) faults.push(`ConfigMap key ${JSON.stringify(key)} is not known`);
  }
  // each key's value was read by its own form and checked against its own list
  const config = Object.freeze(Object.fromEntries(values)) as OperatorConfig;
  if (config["hub.scaleToZero"] && (env["BUBU_HUB_ENDPOINT"]?.trim() ?? "") !== "") {
    refusals.push("hub.scaleToZero is on beside BUBU_HUB_ENDPOINT: an address that is given cannot be woken");
  }
  return { config, sources: Object.fromEntries(sources) as ReadConfig["sources"], faults, refusals };
}

interface Given {
  readonly text: string;
  readonly source: Exclude<ConfigSource, "default">;
  /** As a fault names it. */
  readonly name: string;
}

function giver(
  key: OperatorKey,
  facts: OperatorKeyFacts,
  data: Readonly<Record<string, string>>,
  env: ConfigInput["env"],
  flags: ConfigInput["flags"],
): Given | null {
  const flag = facts.flag === undefined ? undefined : flags[facts.flag];
  if (typeof flag === "string" && flag !== facts.fallback) {
    return { text: flag, source: "flag", name: `--${facts.flag}` };
  }
  const variable = facts.variable === undefined ? "" : env[facts.variable] ?? "";
  if (trimSpace(variable) !== "") return { text: trimSpace(variable), source: "variable", name: facts.variable! };
  const text = data[key];
  return text === undefined ? null : { text, source: "ConfigMap", name: `ConfigMap key ${key}` };
}

/**
 * The ConfigMap alone, as the existing operator reads it: what does not parse or is out of range keeps its default
 * (control-plane O-02); which words a text may be is not looked at.
 */
export function readOperatorData(data: Readonly<Record<string, string>>): Readonly<Record<OperatorKey, Value>> {
  const values = allKeys.map((key): [OperatorKey, Value] => {
    const facts: OperatorKeyFacts = operatorKeys[key];
    const text = data[key];
    return [key, text === undefined ? defaultOf(facts) : parse(facts.form, text) ?? defaultOf(facts)];
  });
  // made from the list of all keys
  return Object.fromEntries(values) as Record<OperatorKey, Value>;
}

/** A variable of `readHubConfig`: the environment's, else the ConfigMap's value handed on (control-plane O-03). */
export function variablesOf({ configMap, env }: Pick<ConfigInput, "configMap" | "env">) {
  const keys = new Map<string, string>(
    allKeys.flatMap((key) => {
      const { variable }: OperatorKeyFacts = operatorKeys[key];
      return variable === undefined ? [] : [[variable, key] as const];
    }),
  );
  return (name: string): string | undefined => {
    if (trimSpace(env[name] ?? "") !== "") return env[name];
    return configMap?.[keys.get(name) ?? ""];
  };
}

/** The value of a key as a person writes it: durations as Go text. */
export function configText(key: OperatorKey, value: Value): string {
  const { form }: OperatorKeyFacts = operatorKeys[key];
  if (form === "duration" || form === "evaluationTimeout") return durationText(Number(value));
  return typeof value === "object" ? (value === null ? "" : JSON.stringify(value)) : String(value);
}

/** Milliseconds as Go text: `1m0s`. */
export function durationText(milliseconds: number): string {
  return formatGoDuration(BigInt(Math.round(milliseconds * 1e6)));
}

/** Keys whose values differ, by whether the program `by` obeys the new ones at once (DECISIONS K-33). */
export function changedKeys(
  before: OperatorConfig,
  after: OperatorConfig,
  by: OperatorKeyFacts["by"],
): { readonly live: readonly OperatorKey[]; readonly atRestart: readonly OperatorKey[] } {
  const changed = allKeys.filter((key) =>
    operatorKeys[key].by === by && configText(key, before[key]) !== configText(key, after[key])
  );
  return {
    live: changed.filter((key) => operatorKeys[key].isLive),
    atRestart: changed.filter((key) => !operatorKeys[key].isLive),
  };
}

/**
 * Image of the connector (control-plane O-22): the configured one, but `own`, the operator's, where that is blank or the
 * built-in default; null for `own` leaves what is configured, or else the default.
 */
export function connectorImage(config: Pick<OperatorConfig, "connector.image">, own: string | null): string {
  const image = config["connector.image"];
  const { fallback } = operatorKeys["connector.image"];
  return image !== "" && image !== fallback ? image : own ?? (image || fallback);
}

function defaultOf({ form, fallback }: OperatorKeyFacts): Value {
  return parse(form, fallback);
}

/** Whether a text that is no duration is read all the same (control-plane O-01). */
function isQuirk({ form }: OperatorKeyFacts, text: string): boolean {
  const nanoseconds = form === "evaluationTimeout" ? parseGoDuration(text) : 1_000_000_000n;
  return nanoseconds === null || nanoseconds < 1_000_000_000n;
}

/** The value where it is one of those allowed, in whatever case a guard is written. */
function known({ allowed, isGuard }: OperatorKeyFacts, value: Value): Value {
  if (allowed === undefined || typeof value !== "string") return value;
  return allowed.find((word) => word === (isGuard ? lowerCase(value) : value)) ?? null;
}

function wanted({ form, allowed }: OperatorKeyFacts): string {
  if (allowed !== undefined) {
    return allowed.length === 1 ? `"${allowed[0]}", the only one` : `one of ${allowed.join(", ")}`;
  }
  return {
    positive: "a whole number above 0",
    size: "a whole number from 0 on",
    duration: "a duration above 0",
    evaluationTimeout: "a duration from 1s to 60s",
    boolean: "true or false",
    text: "a text",
    object: "a JSON object",
  }[form];
}

const largestInteger = 2n ** 63n - 1n;

/** Null: the text is not of this form, or out of its range. */
function parse(form: ValueForm, text: string): Value {
  switch (form) {
    case "positive":
    case "size": {
      const value = parseGoInteger(text);
      return value === null || value > largestInteger || value < (form === "size" ? 0n : 1n) ? null : Number(value);
    }
    case "duration": {
      const nanoseconds = parseGoDuration(text);
      return nanoseconds === null || nanoseconds <= 0n ? null : Number(nanoseconds) / 1e6;
    }
    case "evaluationTimeout": {
      // what does not parse is the shortest, not the default: an existing quirk (control-plane O-01)
      const nanoseconds = parseGoDuration(text) ?? 0n;
      return nanoseconds < 0n || nanoseconds > 60_000_000_000n ? null : Math.max(Number(nanoseconds) / 1e6, 1000);
    }
    case "boolean":
      if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
      return /^(?:0|f|F|FALSE|false|False)$/.test(text) ? false : null;
    case "text":
      return trimSpace(text);
    case "object":
      return objectOf(text);
    default:
      return form satisfies never;
  }
}

function objectOf(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    // JSON.parse gives JSON; an object that is no array is a JsonObject
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : null;
  } catch {
    return null; // said by the caller, with the key
  }
}
