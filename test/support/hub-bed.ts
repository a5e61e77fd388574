/** A hub with a clock and plans that a test steps. */
import { silentLog } from "../../src/contract/runtime.ts";
import { Hub, type HubLimits } from "../../src/hub/hub.ts";
import { normalizeRequest } from "../../src/hub/normalize.ts";
import type { Session } from "../../src/hub/session.ts";
import type { RunPlan } from "../../src/routing/plan.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakePlans } from "./fake-plans.ts";
import { FakePort } from "./fake-port.ts";

const defaults: HubLimits = {
  maxStreams: 10,
  maxBuffers: 100,
  maxBufferedBytes: 1 << 24,
  bufferTtlMs: 600_000,
  stallLimitMs: 5000,
  heartbeatMs: 10_000,
  sweepMs: 60_000,
};

export interface Bed {
  readonly hub: Hub;
  readonly clock: FakeClock;
  readonly plans: FakePlans;
  /** Opens a stream of a step of `demo/run`. */
  open(step: string, generation?: number): { port: FakePort; session: Session };
}

export function hubBed(plan: RunPlan | null, limits: Partial<HubLimits> = {}): Bed {
  const clock = new FakeClock();
  const plans = new FakePlans(plan);
  const hub = new Hub({
    plans,
    clock,
    log: silentLog,
    normalize: normalizeRequest,
    limits: { ...defaults, ...limits },
  });
  return {
    hub,
    clock,
    plans,
    open(step, generation = 1) {
      const port = new FakePort();
      const registration = { namespace: "demo", storyRun: "run", step, generation, capabilities: "none" as const };
      const session = hub.open(registration, port);
      session.writable();
      return { port, session };
    },
  };
}
