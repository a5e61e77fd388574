/**
 * The door for BubuStack objects: turns parsed YAML or JSON into trusted values, or says everything that is wrong
 * with it, each fault with its path. Checks shapes and what the CRDs' rules check; streaming settings have a parser
 * of their own, and graphs are for `topology`.
 */
import { annotations, apiVersions, type Kind } from "./names.ts";
import type { Resource } from "./resources.ts";
import { check, type Fault, type Schema } from "./schema.ts";
import { schemas } from "./resource-schemas.ts";

export type { Fault } from "./schema.ts";

export interface ParseOptions {
  /** Unknown fields are faults, as for `kubectl apply`. Default false: an API server may know more than we do. */
  readonly strict?: boolean;
  /** Reads the spellings of older schemas (control-plane 1.3.4). Default false. */
  readonly legacy?: boolean;
}

export interface Parsed {
  /** Null where there are faults, and for objects that are none of ours. */
  readonly resource: Resource | null;
  readonly faults: readonly Fault[];
}

// Kinds of the same API groups that this project never reads.
const otherKinds: ReadonlySet<string> = new Set([
  "EffectClaim",
  "Impulse",
  "ImpulseTemplate",
  "ReferenceGrant",
  "StoryTrigger",
]);

/** Checks one object. Objects of other API groups give neither a resource nor a fault. */
export function parseResource(value: unknown, options: ParseOptions = {}): Parsed {
  if (!isRecord(value)) return faulty([], "not an object with apiVersion and kind");
  const { apiVersion, kind } = value;
  if (typeof apiVersion !== "string" || apiVersion === "") return faulty(["apiVersion"], "apiVersion is missing");
  if (typeof kind !== "string" || kind === "") return faulty(["kind"], "kind is missing");
  const [group = "", version] = apiVersion.split("/");
  if (group !== "bubustack.io" && !group.endsWith(".bubustack.io")) return { resource: null, faults: [] };
  if (!isKind(kind)) {
    if (otherKinds.has(kind)) return { resource: null, faults: [] };
    return faulty(["kind"], `kind "${kind}" is unknown in ${group}`);
  }
  if (apiVersion !== apiVersions[kind]) {
    const subject = version === undefined ? `apiVersion "${apiVersion}"` : `apiVersion "${apiVersion}" of ${kind}`;
    return faulty(["apiVersion"], `${subject} is not ${apiVersions[kind]}`);
  }
  const object = options.legacy ? modernised(value) : value;
  const faults: Fault[] = [];
  check(
    schemas[kind] as Schema,
    object,
    [],
    options.strict ?? false,
    (path, message) => faults.push({ path, message }),
  );
  if (faults.length === 0 && kind === "Story") checkStory(object, faults);
  // Its shape has just been checked against the schema of its kind.
  return faults.length > 0 ? { resource: null, faults } : { resource: object as unknown as Resource, faults };
}

/** The CEL rules of `Story.spec`, and references within it (control-plane 1.3, 1.3.1). */
function checkStory(story: Record<string, unknown>, faults: Fault[]): void {
  const spec = story.spec as {
    steps: readonly StepShape[];
    compensations?: readonly StepShape[];
    finally?: readonly StepShape[];
    transports?: readonly { name: string }[];
  };
  const names = new Set<string>();
  for (const list of ["steps", "compensations", "finally"] as const) {
    spec[list]?.forEach((step, index) => {
      const path = ["spec", list, index];
      if ((step.ref === undefined) === (step.type === undefined)) {
        faults.push({ path, message: `step "${step.name}" must set exactly one of ref or type` });
      }
      if (names.has(step.name)) {
        faults.push({ path: [...path, "name"], message: `step name "${step.name}" is used twice` });
      }
      names.add(step.name);
    });
  }
  const transports = new Set<string>();
  spec.transports?.forEach(({ name }, index) => {
    if (transports.has(name)) {
      const path = ["spec", "transports", index, "name"];
      faults.push({ path, message: `transport name "${name}" is used twice` });
    }
    transports.add(name);
  });
  spec.steps.forEach((step, index) => {
    step.needs?.forEach((need, position) => {
      if (spec.steps.some((other) => other.name === need)) return;
      const path = ["spec", "steps", index, "needs", position];
      faults.push({ path, message: `step "${step.name}" needs "${need}", which is no step of this Story` });
    });
    if (step.transport === undefined || step.transport === "" || transports.has(step.transport)) return;
    const path = ["spec", "steps", index, "transport"];
    faults.push({ path, message: `step "${step.name}" names transport "${step.transport}", which is not declared` });
  });
}

interface StepShape {
  readonly name: string;
  readonly ref?: unknown;
  readonly type?: unknown;
  readonly needs?: readonly string[];
  readonly transport?: string;
}

/** `pattern: streaming` and `streamingStrategy` of the older schema, said the way of today. */
function modernised(value: Record<string, unknown>): Record<string, unknown> {
  if (value.kind !== "Story" || !isRecord(value.spec)) return value;
  const { streamingStrategy, ...spec } = value.spec;
  if (spec.pattern === "streaming") spec.pattern = "realtime";
  if (streamingStrategy === undefined || !isRecord(value.metadata)) return { ...value, spec };
  const known = isRecord(value.metadata.annotations) ? value.metadata.annotations : {};
  const metadata = { ...value.metadata, annotations: { [annotations.strategy]: streamingStrategy, ...known } };
  return { ...value, metadata, spec };
}

function faulty(path: Fault["path"], message: string): Parsed {
  return { resource: null, faults: [{ path, message }] };
}

function isKind(kind: string): kind is Kind {
  return Object.hasOwn(apiVersions, kind);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
