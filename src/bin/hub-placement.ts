/** Which hub holds which run, composed: placement, the fleet of hubs, and their scaling (ARCHITECTURE.md 4). */
import { hubPodAddress } from "../contract/hub-address.ts";
import type { OperatorConfig } from "../contract/operator-config.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import type { HubFleet } from "../control/fleet.ts";
import { Placements } from "../control/placement.ts";
import { followHubs, type PlacingOptions } from "../control/placing.ts";
import { HubScaler } from "../control/scaler.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The hubs' StatefulSet: where it is, by the variables of O-40. */
export interface HubSet {
  readonly namespace: string;
  readonly name: string;
  /** Address of one of its pods. */
  address(pod: string): string;
}

/** `BUBU_HUB_SERVICE_NAME` in `BUBU_HUB_SERVICE_NAMESPACE`, else in the pod's own namespace, else in `namespace`. */
export function hubSet(env: Env, namespace: string): HubSet {
  const given = (name: string): string => env[name]?.trim() ?? "";
  const where = given("BUBU_HUB_SERVICE_NAMESPACE") || given("POD_NAMESPACE") || namespace;
  return {
    namespace: where,
    name: given("BUBU_HUB_SERVICE_NAME") || "bobravoz-grpc-hub",
    address: (pod) => hubPodAddress(env, where, pod),
  };
}

export interface HubPlacementOptions {
  readonly env: Env;
  readonly hubs: HubSet;
  readonly isLeader: () => boolean;
  /** Configuration in force. */
  readonly config: () => OperatorConfig;
  readonly clock: Clock;
  readonly log: Log;
}

export interface HubPlacement {
  readonly placements: Placements;
  /** Follows the fleet until the signal fires; at once done where an administrator gave every run's address. */
  follow(control: PlacingOptions["control"], fleet: HubFleet, signal: AbortSignal): Promise<void>;
  /** Has what is due looked at, when this process has become the leader. */
  lead(): void;
}

export function hubPlacement({ env, hubs, isLeader, config, clock, log }: HubPlacementOptions): HubPlacement {
  const fixed = env["BUBU_HUB_ENDPOINT"]?.trim() || null;
  const placements = new Placements({ first: hubs.address(`${hubs.name}-0`), fixed, isLeader });
  let scaler: HubScaler | null = null;
  return {
    placements,
    async follow(control, fleet, signal) {
      if (fixed !== null) return;
      scaler = !config()["hub.scaleToZero"] ? null : new HubScaler({
        scale: (replicas, limit) => fleet.scale(replicas, limit),
        delayMs: () => config()["hub.scaleDownDelay"],
        isLeader,
        clock,
        log,
      });
      await followHubs({ control, placements, fleet, scaler }, signal);
    },
    lead: () => scaler?.look(),
  };
}
