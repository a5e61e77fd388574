/** Which hub holds which run, composed: placement, the fleet of hubs, and their scaling (ARCHITECTURE.md 4). */
import { TransportError } from "../contract/errors.ts";
import { hubAddress, hubPodAddress } from "../contract/hub-address.ts";
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

/** How long the first list of hub pods may take. */
const seenLimitMs = 10_000;

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
  /**
   * Whether the hubs were seen, or there is nothing to see. Before, a controller has nothing to write: it would say
   * HubStarting of every new run for a moment. After 10 s without an answer it is true all the same.
   */
  readonly isKnown: boolean;
  /**
   * Follows the fleet until the signal fires, and calls `known` when `isKnown` has become true. Where an administrator
   * gave every run's address nothing is placed: it is at once done, or throws `InvalidConfiguration` where there are
   * several hubs, since the runs' streams would meet on any of them.
   */
  follow(control: PlacingOptions["control"], fleet: HubFleet, signal: AbortSignal, known?: () => void): Promise<void>;
  /** Has what is due looked at, when this process has become the leader. */
  lead(): void;
}

export function hubPlacement({ env, hubs, isLeader, config, clock, log }: HubPlacementOptions): HubPlacement {
  const fixed = env["BUBU_HUB_ENDPOINT"]?.trim() || null;
  const placements = new Placements({
    first: hubs.address(`${hubs.name}-0`),
    service: (namespace) => hubAddress(env, namespace),
    fixed,
    isLeader,
  });
  let scaler: HubScaler | null = null;
  let isKnown = fixed !== null;
  return {
    placements,
    get isKnown() {
      return isKnown;
    },
    async follow(control, fleet, signal, known) {
      if (fixed !== null) return await refuseSeveral(fleet, fixed, clock, signal);
      const see = () => {
        limit.cancel();
        if (isKnown) return;
        isKnown = true;
        known?.();
      };
      const limit = clock.after(seenLimitMs, () => {
        log.warn("hub pods cannot be seen", { namespace: hubs.namespace, statefulSet: hubs.name });
        see();
      });
      scaler = !config()["hub.scaleToZero"] ? null : new HubScaler({
        scale: (replicas, limit) => fleet.scale(replicas, limit),
        delayMs: () => config()["hub.scaleDownDelay"],
        isLeader,
        clock,
        log,
      });
      await followHubs({ control, placements, fleet: firstSeen(fleet, see), scaler }, signal)
        .finally(() => limit.cancel());
    },
    lead: () => scaler?.look(),
  };
}

/** The fleet, which calls `see` after its first news. */
function firstSeen(fleet: HubFleet, see: () => void): HubFleet {
  return {
    watch: (onHubs, signal) =>
      fleet.watch((hubs, replicas) => {
        onHubs(hubs, replicas);
        see();
      }, signal),
    scale: (replicas, signal) => fleet.scale(replicas, signal),
  };
}

/** One look at the StatefulSet: with a fixed address it has one replica at most. */
async function refuseSeveral(fleet: HubFleet, fixed: string, clock: Clock, signal: AbortSignal): Promise<void> {
  const looked = new AbortController();
  const limit = clock.after(seenLimitMs, () => looked.abort());
  let wanted: number | null = null;
  await fleet.watch((_, replicas) => {
    wanted = replicas;
    looked.abort();
  }, AbortSignal.any([signal, looked.signal]));
  limit.cancel();
  if (wanted === null || wanted < 2) return;
  const text = `BUBU_HUB_ENDPOINT is ${fixed}, every run's address, but the StatefulSet wants ${wanted} hubs: ` +
    "unset it, or scale to 1";
  throw new TransportError("InvalidConfiguration", text);
}
