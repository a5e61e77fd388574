/** One StoryRun in the hub: its steps, its edges and the routes that its plan gives. */
import type { EdgeCount } from "../contract/traffic.ts";
import { type DropReason, EdgeStats } from "../delivery/edge.ts";
import type { ByteBudget } from "../delivery/outbox.ts";
import type { DeliveryPlan, RunPlan } from "../routing/plan.ts";
import { StepState } from "./step.ts";
import { Suffix } from "./suffix.ts";

/** Where a step's packets go: one target with its edge and what its packets end with. */
export interface Route {
  readonly target: StepState;
  readonly edge: EdgeStats;
  readonly suffix: Suffix;
  /** The target has inputs of its own, so those of the packet are left out. */
  readonly replacesInputs: boolean;
}

/** What a step without a plan is buffered by: nothing reaches it, so the values do not matter. */
const unplanned: DeliveryPlan = {
  buffer: { maxMessages: 0, maxBytes: 0 },
  maxAgeMs: 0,
  dropPolicy: null,
  lanes: { audio: null, video: null, binary: null, payload: null },
  credits: null,
};

export class RunState {
  readonly namespace: string;
  readonly storyRun: string;
  readonly #budget: ByteBudget;
  readonly #steps = new Map<string, StepState>();
  readonly #edges = new Map<string, EdgeStats>();
  #routes = new Map<string, readonly Route[]>();
  plan: RunPlan | null = null;
  /** Name of the run's Story, empty while none was known. */
  story = "";

  constructor(namespace: string, storyRun: string, budget: ByteBudget) {
    this.namespace = namespace;
    this.storyRun = storyRun;
    this.#budget = budget;
  }

  get steps(): Iterable<StepState> {
    return this.#steps.values();
  }

  /** The state of a step, made when it is first asked for, also for a step that the plan does not have. */
  step(name: string, nowMs: number): StepState {
    let step = this.#steps.get(name);
    if (step === undefined) {
      step = new StepState(name, this.plan?.steps.get(name)?.delivery ?? unplanned, this.#budget, nowMs);
      this.#steps.set(name, step);
    }
    return step;
  }

  /** Forgets a step that the plan does not have once nobody is connected as it and nothing waits for it. */
  prune(step: StepState): void {
    if (this.plan?.steps.has(step.name) || step.session !== null || step.outbox.messages > 0) return;
    if (this.#steps.get(step.name) === step) this.#steps.delete(step.name);
  }

  /** The id of the step that a stream names by its id or its name. */
  stepId(name: string): string {
    return this.plan?.aliases?.get(name) ?? name;
  }

  findStep(name: string): StepState | undefined {
    return this.#steps.get(name);
  }

  /** Routes of a step's packets; undefined for a step that the Story does not have (data-plane D-020). */
  routes(step: string): readonly Route[] | undefined {
    return this.#routes.get(step);
  }

  /** Obeys `plan` from the next packet on. Outboxes, counters and streams stay; null ends the run. */
  applyPlan(plan: RunPlan | null, nowMs: number): void {
    this.plan = plan;
    if (plan !== null) this.story = plan.story;
    const planned = plan?.steps ?? new Map<string, never>();
    for (const step of this.#steps.values()) {
      step.removedAs = planned.has(step.name) ? null : "step_removed";
      if (step.removedAs !== null) step.outbox.clear(step.removedAs);
    }
    const routes = new Map<string, readonly Route[]>();
    for (const step of planned.values()) {
      this.step(step.step, nowMs).applyPlan(step.delivery);
    }
    for (const step of planned.values()) {
      // A sender whose only ways are direct may still come through the hub: an older connector, or packets on their
      // way while the edge changed. They are carried. Beside a hub edge, a direct one gets its own copy from its sender.
      const hasHubEdge = step.targets.some((target) => target.mode === "hub");
      for (const target of step.targets) this.#edge(step.step, target.step).mode = target.mode;
      routes.set(
        step.step,
        step.targets.filter((target) => target.mode === "hub" || !hasHubEdge).map((target) => ({
          target: this.step(target.step, nowMs),
          edge: this.#edge(step.step, target.step),
          suffix: new Suffix(this.namespace, this.storyRun, target.step, target.inputs),
          replacesInputs: target.inputs !== null,
        })),
      );
    }
    this.#routes = routes;
    for (const step of this.#steps.values()) step.pump();
  }

  edges(): readonly EdgeCount[] {
    return [...this.#edges.values()].map((edge) => edge.snapshot());
  }

  /** The run is on another hub now: what waits, or is still held by its senders, is dropped. */
  leave(): void {
    for (const step of this.#steps.values()) step.removedAs = "moved";
    this.clear("moved");
  }

  /** Drops everything that waits. */
  clear(reason: DropReason): void {
    for (const step of this.#steps.values()) step.outbox.clear(reason);
  }

  /** Whether nothing refers to the run any more. */
  isIdle(): boolean {
    if (this.plan !== null) return false;
    for (const step of this.#steps.values()) if (step.session !== null) return false;
    return true;
  }

  #edge(from: string, to: string): EdgeStats {
    const key = `${from}\0${to}`;
    let edge = this.#edges.get(key);
    if (edge === undefined) this.#edges.set(key, edge = new EdgeStats(from, to, "hub"));
    return edge;
  }
}
