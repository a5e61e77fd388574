/**
 * What the Story admission webhook of the workflow operator refuses about a Story's graph (control-plane 1.3.1),
 * in its words, so that a Story that runs here also passes there.
 */
import type { Step, Story } from "../contract/resources.ts";
import { buildGraph } from "./graph.ts";

interface StepList {
  readonly path: string;
  readonly steps: readonly Step[];
  /** Names that `needs` of this list may contain. */
  readonly known: ReadonlySet<string>;
}

/**
 * The faults of needs and transport names, empty when the webhook would accept them: of each kind the first one,
 * in the order unknown need, need of itself or else circle, transport.
 */
export function admissionFaults(story: Story): readonly string[] {
  const lists = stepLists(story);
  const self = firstStep(
    lists,
    ({ name, needs }) => needs?.includes(name) ? `step '${name}' cannot depend on itself` : null,
  );
  const faults = [unknownNeed(lists), self ?? firstCycle(lists), transportFault(story)];
  return faults.filter((fault) => fault !== null);
}

function stepLists({ spec }: Story): readonly StepList[] {
  const known = new Set<string>();
  const lists: StepList[] = [];
  for (const path of ["steps", "compensations", "finally"] as const) {
    const steps = spec[path] ?? [];
    for (const step of steps) known.add(step.name);
    lists.push({ path: `spec.${path}`, steps, known: new Set(known) });
  }
  return lists;
}

function firstStep(lists: readonly StepList[], faultOf: (step: Step, list: StepList) => string | null): string | null {
  for (const list of lists) {
    for (const step of list.steps) {
      const fault = faultOf(step, list);
      if (fault !== null) return fault;
    }
  }
  return null;
}

function unknownNeed(lists: readonly StepList[]): string | null {
  return firstStep(lists, ({ name, needs }, { known }) => {
    const unknown = needs?.find((need) => !known.has(need));
    return unknown === undefined ? null : `step '${name}' lists unknown dependency '${unknown}' in needs`;
  });
}

function firstCycle(lists: readonly StepList[]): string | null {
  for (const { path, steps } of lists) {
    const { blocked } = buildGraph(steps);
    if (blocked.size === 0) continue;
    return `${path} contains a dependency cycle involving step(s): ${[...blocked].sort().join(", ")}`;
  }
  return null;
}

function transportFault({ spec }: Story): string | null {
  const transports = spec.transports ?? [];
  const blank = transports.find((transport) => transport.transportRef.trim() === "");
  if (blank !== undefined) return `transport '${blank.name}' must set transportRef`;
  const names = new Set(transports.map((transport) => transport.name.trim()));
  const steps = [...spec.steps, ...spec.compensations ?? [], ...spec.finally ?? []];
  for (const { name, transport } of steps) {
    const wanted = transport?.trim() ?? "";
    if (wanted !== "" && !names.has(wanted)) return `step '${name}' references unknown transport "${wanted}"`;
  }
  return null;
}
