/**
 * The other graph: which steps the workflow operator waits for before it starts one (control-plane R-09).
 * It reads template text, so prose and object keys count too; the topology analysis never looks at it.
 */
import type { Step } from "../contract/resources.ts";
import { buildGraph } from "./graph.ts";

const references = [
  /steps\.([A-Za-z0-9_-]+)\./g,
  /steps\[\s*["']([^"']+)["']\s*\]/g,
  /index\s+\.steps\s+"([^"]+)"/g,
] as const;

export interface Scheduling {
  /** Sorted names that a step waits for, by step name; names that no step has included. */
  readonly dependencies: ReadonlyMap<string, readonly string[]>;
  /** Why the workflow operator would refuse the graph, in its words; null when it would not. */
  readonly error: string | null;
}

/** The scheduling graph of a list of steps. Entries of one name share what they wait for. */
export function scheduleSteps(steps: readonly Step[]): Scheduling {
  // A step is found by its name or, in template text, by the name with underscores for dashes.
  const aliases = new Map(steps.map((step) => [step.name.replaceAll("-", "_"), step.name]));
  const names = new Set(steps.map((step) => step.name));
  const sets = new Map<string, Set<string>>();
  for (const step of steps) {
    let set = sets.get(step.name);
    if (set === undefined) sets.set(step.name, set = new Set());
    for (const need of step.needs ?? []) set.add(need);
    for (const name of mentioned(step)) set.add(names.has(name) ? name : aliases.get(name) ?? name);
  }
  const dependencies = new Map([...sets].map(([name, set]) => [name, [...set].sort()]));
  return { dependencies, error: refusal(dependencies) };
}

function mentioned(step: Step): readonly string[] {
  const texts = [step.if ?? ""];
  const scansWith = step.ref !== undefined || step.type === "executeStory";
  if (scansWith && step.with !== undefined) texts.push(JSON.stringify(step.with));
  return texts.flatMap((text) => references.flatMap((pattern) => [...text.matchAll(pattern)].map((m) => m[1]!)));
}

function refusal(dependencies: ReadonlyMap<string, readonly string[]>): string | null {
  const unknown = [...dependencies].flatMap(([name, needs]) =>
    needs.filter((need) => !dependencies.has(need)).map((need) => `${name}->${need}`)
  );
  if (unknown.length > 0) return `unknown step dependencies: ${unknown.sort().join(", ")}`;
  const { blocked } = buildGraph([...dependencies].map(([name, needs]) => ({ name, needs })));
  return blocked.size === 0 ? null : `dependency cycle detected involving step(s): ${[...blocked].sort().join(", ")}`;
}
