/** Where the hub gets its plans from: an outer room watches the world and compiles them. */
import type { RunPlan } from "../routing/plan.ts";

/** Plans by run. `plan` is called on registration and change, never per packet. */
export interface PlanSource {
  /** The plan in force, or null for a run that is unknown or over. */
  plan(namespace: string, storyRun: string): RunPlan | null;
  /** Calls `changed` after the plan of a run is another one or gone. Returns how to stop. */
  subscribe(changed: (namespace: string, storyRun: string) => void): () => void;
}
