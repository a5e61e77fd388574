/**
 * What a controller does with its hubs: follows the fleet, has the runs decided again whose hub is another one, and has
 * the first active run wake a hub. Knows who tells whom; the rules are in `placement.ts` and `scaler.ts`.
 */
import type { Decisions, RunDecision } from "./decisions.ts";
import type { HubFleet } from "./fleet.ts";
import type { Placements } from "./placement.ts";
import type { HubScaler } from "./scaler.ts";
import type { World } from "./world.ts";

export interface PlacingOptions {
  readonly control: Decisions & {
    readonly world: World;
    touch(namespace: string, storyRun: string): void;
  };
  readonly placements: Placements;
  readonly fleet: HubFleet;
  /** Null: hubs are not scaled (`hub.scaleToZero` is off). */
  readonly scaler: HubScaler | null;
}

/** Whether a run needs a hub: it is realtime, not over, and decided. */
export function needsHub(decision: RunDecision | null): boolean {
  return decision !== null && decision.failure === null && decision.bindings.length > 0;
}

/** Follows the fleet until the signal fires. Where nothing is placed (a fixed address), it is not called at all. */
export async function followHubs(options: PlacingOptions, signal: AbortSignal): Promise<void> {
  const { control, placements, fleet, scaler } = options;
  const active = new Set<string>();
  let isSynced = false;
  const see = (namespace: string, storyRun: string) => {
    const decision = control.get(namespace, storyRun);
    const key = `${namespace}/${storyRun}`;
    if (decision === null) placements.forget(namespace, storyRun);
    if (needsHub(decision)) active.add(key);
    else active.delete(key);
    // before the first list is done, few runs mean nothing
    if (isSynced) scaler?.setActive(active.size > 0);
  };
  const stops = [
    control.subscribe(see),
    placements.subscribe(() => {
      for (const { namespace, storyRun, bindings } of control.runs()) {
        const { endpoint, state } = placements.endpoint(control.world, namespace, storyRun);
        const isSame = bindings.every((binding) => binding.hubEndpoint === endpoint && binding.state === state);
        if (!isSame) control.touch(namespace, storyRun);
      }
    }),
  ];
  void control.synced.then(() => {
    if (signal.aborted) return;
    isSynced = true;
    for (const { namespace, storyRun } of control.runs()) see(namespace, storyRun);
    scaler?.setActive(active.size > 0);
  });
  try {
    await fleet.watch((hubs, replicas) => {
      placements.setHubs(replicas === null ? null : hubs);
      if (replicas !== null) scaler?.setReplicas(replicas);
    }, signal);
  } finally {
    for (const stop of stops) stop();
    scaler?.close();
  }
}
