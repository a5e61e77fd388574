/** Plans that a test sets by hand. */
import type { Holder, PlanSource } from "../../src/hub/plans.ts";
import type { DeliveryPlan, RunPlan, TargetPlan } from "../../src/routing/plan.ts";

const lanes = { audio: null, video: null, binary: null, payload: null };

/** A delivery plan with room for `maxMessages`, changed as given. */
export function delivery(maxMessages: number, changes: Partial<DeliveryPlan> = {}): DeliveryPlan {
  return {
    buffer: { maxMessages, maxBytes: 1 << 20 },
    maxAgeMs: 0,
    dropPolicy: null,
    lanes,
    credits: null,
    ...changes,
  };
}

/** A plan of `demo/run` from its edges, `from>to`; `>` may be `~` for a direct edge. */
export function plan(edges: readonly string[], each: DeliveryPlan, changes: Partial<TargetPlan> = {}): RunPlan {
  const targets = new Map<string, TargetPlan[]>();
  for (const edge of edges) {
    const [from, to] = edge.split(/[>~]/) as [string, string];
    if (!targets.has(to)) targets.set(to, []);
    targets.set(from, [
      ...targets.get(from) ?? [],
      { step: to, mode: edge.includes("~") ? "p2p" : "hub", inputs: null, ...changes },
    ]);
  }
  return {
    namespace: "demo",
    storyRun: "run",
    story: "story",
    storyGeneration: 1,
    refusal: null,
    steps: new Map([...targets].map(([step, to]) => [step, { step, targets: to, delivery: each }])),
  };
}

export class FakePlans implements PlanSource {
  #plan: RunPlan | null;
  #holder: Holder = "here";
  readonly #listeners = new Set<(namespace: string, storyRun: string) => void>();

  constructor(plan: RunPlan | null) {
    this.#plan = plan;
  }

  plan(namespace: string, storyRun: string): RunPlan | null {
    return namespace === "demo" && storyRun === "run" ? this.#plan : null;
  }

  subscribe(changed: (namespace: string, storyRun: string) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  holder(): Holder {
    return this.#holder;
  }

  /** The run is placed; a hub that does not hold it has no plan for it. */
  place(holder: Holder, plan: RunPlan | null): void {
    this.#holder = holder;
    this.set(plan);
  }

  set(plan: RunPlan | null): void {
    this.#plan = plan;
    for (const changed of this.#listeners) changed("demo", "run");
  }
}
