/** Admission of a Story's streaming settings, in the words of the existing webhook (control-plane 1.3.1). */
import { goQuote, trimSpace } from "./go-text.ts";
import type { JsonObject, JsonValue } from "./resources.ts";
import { streamingFaults } from "./settings-faults.ts";
import { refuse, type WrittenFault } from "./settings-merge.ts";
import { decodeStreaming, isJsonArray, isJsonObject, settingValues, type TypeFault } from "./settings-schema.ts";

/** What the check reads of a Story. */
export interface StreamingStory {
  readonly steps: readonly { readonly name: string }[];
  readonly transports?: readonly { readonly name: string; readonly streaming?: JsonObject }[];
}

/** Null for a template that a realtime Story may evaluate per packet, else what is wrong with it. */
export type CheckTemplate = (template: string) => string | null;

/** A fault with the path in the Story. */
export interface StreamingFault {
  readonly path: string;
  readonly message: string;
}

/**
 * All faults of the transports' streaming settings, then of their routing rules. Throws `InvalidSettings` where a
 * value has not the type that the schema gives it.
 */
export function storyStreamingFaults(story: StreamingStory, checkTemplate: CheckTemplate): readonly StreamingFault[] {
  const wrong: WrittenFault[] = [];
  const transports = (story.transports ?? []).map(({ streaming }, i) => {
    const path = `spec.transports[${i}].streaming`;
    const faults: TypeFault[] = [];
    const decoded = decodeStreaming(streaming, faults);
    wrong.push(
      ...faults.map((fault) => ({ path: fault.path === "" ? path : `${path}.${fault.path}`, message: fault.message })),
    );
    return { path, streaming: decoded };
  });
  refuse(wrong);
  const steps = new Set(story.steps.map((step) => step.name));
  return [
    ...transports.flatMap(({ path, streaming }) =>
      streamingFaults(streaming)
        // The webhook judges rules by the Story's own steps, below.
        .filter((fault) => !fault.path.startsWith("routing.rules["))
        .map((fault) => ({ path: `${path}.${fault.path}`, message: fault.sentence }))
    ),
    ...transports.flatMap(({ path, streaming }) =>
      rulesOf(streaming).flatMap((rule, i) => ruleFaults(rule, `${path}.routing.rules[${i}]`, steps, checkTemplate))
    ),
  ];
}

function rulesOf(streaming: JsonObject): readonly JsonObject[] {
  const { routing } = streaming;
  const rules = isJsonObject(routing) ? routing["rules"] : undefined;
  return isJsonArray(rules) ? rules.filter(isJsonObject) : [];
}

function ruleFaults(
  rule: JsonObject,
  path: string,
  steps: ReadonlySet<string>,
  checkTemplate: CheckTemplate,
): readonly StreamingFault[] {
  const faults: StreamingFault[] = [];
  const when = textOf(rule["when"]);
  const templateFault = trimSpace(when) === "" ? null : checkTemplate(when);
  if (templateFault !== null) faults.push({ path: `${path}.when`, message: templateFault });
  const action = textOf(rule["action"]);
  if (action !== "" && !settingValues.action.some((known) => known === action)) {
    faults.push({ path: `${path}.action`, message: `unsupported routing action ${goQuote(action)}` });
  }
  return [...faults, ...targetFaults(rule["target"], `${path}.target.steps`, steps)];
}

function targetFaults(
  target: JsonValue | undefined,
  path: string,
  steps: ReadonlySet<string>,
): readonly StreamingFault[] {
  const listed = isJsonObject(target) && isJsonArray(target["steps"]) ? target["steps"] : [];
  const seen = new Set<string>();
  return listed.flatMap((value, i) => {
    const name = trimSpace(textOf(value));
    const place = `${path}[${i}]`;
    if (name === "") return [{ path: place, message: "target step name cannot be empty" }];
    const faults: StreamingFault[] = [];
    if (!steps.has(name)) faults.push({ path: place, message: `unknown step ${goQuote(name)}` });
    if (seen.has(name)) faults.push({ path: place, message: `duplicate step ${goQuote(name)}` });
    seen.add(name);
    return faults;
  });
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
