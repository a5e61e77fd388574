/**
 * What a Story may ask for and this version can not do (DECISIONS "refusals"): a closed table of settings, and the
 * parts of a step. Whoever builds one of these takes its line away here.
 */
import type { JsonValue, Step } from "../contract/resources.ts";
import type { EdgeDecision } from "../topology/decide.ts";
import type { StepKind } from "../topology/effective.ts";
import type { StepTransport } from "../topology/transports.ts";
import { settingPath, valueAt } from "../topology/setting-path.ts";

/** Something that is refused: where it stands and what is wrong. */
export interface Refused {
  readonly path: string;
  readonly message: string;
}

/** Settings of a transport, by path: what is asked for when `isAsked` holds, beside what is supported. */
const settings: readonly {
  readonly keys: readonly string[];
  readonly isAsked: (value: unknown) => boolean;
  readonly supported: string;
}[] = [
  { keys: ["flowControl", "mode"], isAsked: otherThan("none", "credits"), supported: "none or credits" },
  { keys: ["delivery", "ordering"], isAsked: otherThan("none"), supported: "none" },
  { keys: ["delivery", "semantics"], isAsked: otherThan("best_effort"), supported: "best_effort" },
  { keys: ["delivery", "replay", "mode"], isAsked: otherThan("none"), supported: "none" },
  { keys: ["routing", "rules"], isAsked: (value) => Array.isArray(value) && value.length > 0, supported: "no rules" },
  { keys: ["fanIn"], isAsked: isSet, supported: "no joins" },
  { keys: ["partitioning", "mode"], isAsked: otherThan("none"), supported: "none" },
  { keys: ["lifecycle", "strategy"], isAsked: otherThan("rolling"), supported: "rolling" },
  { keys: ["lifecycle", "drainTimeoutSeconds"], isAsked: isSet, supported: "rolling alone" },
  { keys: ["lifecycle", "maxInFlight"], isAsked: isSet, supported: "rolling alone" },
  { keys: ["observability", "metrics", "enabled"], isAsked: (value) => value === false, supported: "true" },
  { keys: ["observability", "tracing", "enabled"], isAsked: (value) => value === true, supported: "false" },
  { keys: ["observability", "watermark", "enabled"], isAsked: (value) => value === true, supported: "false" },
  { keys: ["recording", "mode"], isAsked: otherThan("off"), supported: "off" },
];

function otherThan(...supported: readonly string[]): (value: unknown) => boolean {
  return (value) => isSet(value) && value !== "" && !supported.includes(String(value));
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** Every setting in force of a transport that is not supported. */
export function unsupportedSettings(transport: StepTransport): readonly Refused[] {
  return settings.flatMap(({ keys, isAsked, supported }) => {
    const value = valueAt(transport.settings, keys);
    if (!isAsked(value)) return [];
    const asked = typeof value === "object" ? "" : ` ${JSON.stringify(value)}`;
    return [refuse(settingPath(transport, keys), asked, `only ${supported}`)];
  });
}

/** Every part of a step that is not supported. `edges` are those towards the step. */
export function unsupportedInStep(
  step: Step,
  at: string,
  kind: StepKind,
  edges: readonly EdgeDecision[],
): readonly Refused[] {
  const found: Refused[] = [];
  if (step.type) found.push(refuse(`${at}.type`, ` ${JSON.stringify(step.type)}`, "only steps with a ref"));
  if (step.if) found.push(refuse(`${at}.if`, "", "only steps without a condition"));
  if (isSet(step.runtime)) found.push(refuse(`${at}.runtime`, "", "only a literal with"));
  for (const path of templatesIn(step.with, `${at}.with`)) {
    found.push(refuse(path, " with a template", "only literals"));
  }
  if (kind === "job") {
    found.push(refuse(`${at}.ref`, ` to an engram that runs as a job`, "only deployment and statefulset"));
  }
  const explicit = edges.filter((edge) => edge.kind === "explicit");
  if (explicit.length > 1 && explicit.some((edge) => edge.published === "hub")) {
    const names = explicit.map((edge) => edge.from).join(", ");
    found.push(refuse(`${at}.needs`, ` that join ${names}`, "only one, or several that all send directly"));
  }
  return found;
}

function refuse(path: string, asked: string, supported: string): Refused {
  return { path, message: `${path}${asked} is not supported by this version, ${supported}` };
}

/** Paths of texts and keys that are templates, in document order. */
function templatesIn(value: JsonValue | undefined, path: string): readonly string[] {
  if (typeof value === "string") return value.includes("{{") ? [path] : [];
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item, i) => templatesIn(item, `${path}[${i}]`));
  return Object.entries(value).flatMap(([key, member]) => {
    const isTemplate = key === "$bubuTemplate" || key.includes("{{");
    return [...(isTemplate ? [`${path}.${key}`] : []), ...templatesIn(member, `${path}.${key}`)];
  });
}
