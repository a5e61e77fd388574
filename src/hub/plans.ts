/** Where the hub gets its plans from: an outer room watches the world and compiles them. */
import type { RunPlan } from "../routing/plan.ts";

/** Where a run is: on this hub, on another one, or on none that is known. */
export type Holder = "here" | "nobody" | { readonly owner: string };

/** Plans by run. `plan` is called on registration and change, never per packet. */
export interface PlanSource {
  /** The plan in force, or null for a run that is unknown or over. */
  plan(namespace: string, storyRun: string): RunPlan | null;
  /** Who holds a run. Without it this hub holds every run, also those that it does not know yet. */
  holder?(namespace: string, storyRun: string): Holder;
  /** Calls `changed` after the plan or the holder of a run is another one or gone. Returns how to stop. */
  subscribe(changed: (namespace: string, storyRun: string) => void): () => void;
}
