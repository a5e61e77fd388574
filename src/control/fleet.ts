/** The hub pods and how many of them are wanted: what placement and scaling need of a StatefulSet. */
import type { HubPod } from "./placement.ts";

export interface HubFleet {
  /**
   * Lists, then watches, and calls `onHubs` with all pods of the fleet and the replicas that it is to have, at first and
   * whenever either is another. `replicas` null: there is no such StatefulSet. Settles when `signal` fires; connection
   * losses are retried inside.
   */
  watch(onHubs: (hubs: readonly HubPod[], replicas: number | null) => void, signal: AbortSignal): Promise<void>;

  /** Sets the replicas through the scale sub-resource; what else the StatefulSet says stays. */
  scale(replicas: number, signal: AbortSignal): Promise<void>;
}
