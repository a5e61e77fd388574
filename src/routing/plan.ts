/**
 * The compiled plan of a StoryRun: what the hub obeys for each packet, worked out once when a Story,
 * Transport or run changes. Knows targets, limits and literal inputs; refuses to know connections.
 */
import type { TransportError } from "../contract/errors.ts";
import type { JsonObject } from "../contract/resources.ts";

/** Media kinds that lanes distinguish (data-plane 4.1). */
export type LaneKind = "audio" | "video" | "binary" | "payload";

/** A limit in messages and bytes. */
export interface Limit {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** How packets for one step are buffered and paced; all values are effective (defaults applied). */
export interface DeliveryPlan {
  /** The whole buffer (data-plane 4.1). */
  readonly buffer: Limit;
  /** 0: packets do not expire. */
  readonly maxAgeMs: number;
  /** Null: no policy was set, the sender is slowed before anything drops (DECISIONS "full buffer"). */
  readonly dropPolicy: "drop_newest" | "drop_oldest" | null;
  /** Lane limits; null where no lane of that kind is declared. */
  readonly lanes: Readonly<Record<LaneKind, Limit | null>>;
  /** Credits that the receiver starts with; null: flow control `none`. */
  readonly credits: Limit | null;
}

/** One target of a step's packets, through the hub. */
export interface TargetPlan {
  readonly step: string;
  /** `p2p`: the sender reaches it directly and the hub sends it nothing. */
  readonly mode: "hub" | "p2p";
  /** Literal `with` of the target, which replaces the packet's `inputs`; null: inputs pass through or are absent. */
  readonly inputs: JsonObject | null;
}

/** What the hub does for one engram step. */
export interface StepPlan {
  readonly step: string;
  /** In dispatch order, at most `maxDownstreams` of them. */
  readonly targets: readonly TargetPlan[];
  readonly delivery: DeliveryPlan;
}

/** The plan of a run. A refused run has `refusal` and no steps. */
export interface RunPlan {
  readonly namespace: string;
  readonly storyRun: string;
  readonly story: string;
  readonly storyGeneration: number;
  /** By step id (`Step.id`, else its name). */
  readonly steps: ReadonlyMap<string, StepPlan>;
  /**
   * Ids by the names of steps that have an id of their own: an engram may present either (data-plane 3.3).
   * A name that is also another step's id means that other step.
   */
  readonly aliases?: ReadonlyMap<string, string>;
  /** Why the run's Story is refused (`NotSupported`, `InvalidSettings`, `Cycle` …), null when it is not. */
  readonly refusal: TransportError | null;
}
