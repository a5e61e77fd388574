/** A whole hub as the program starts it, on a free loopback port, with plans that a test sets by hand. */
import type { ConnectRouter } from "@connectrpc/connect";
import { systemClock } from "../../src/adapters/clock.ts";
import type { IdentityGates } from "../../src/adapters/identity/gate.ts";
import type { TlsFiles } from "../../src/adapters/grpc/options.ts";
import type { Discovery } from "../../src/adapters/rpc/discovery-server.ts";
import { serve, type Served } from "../../src/bin/serve.ts";
import { type HubConfig, readHubConfig } from "../../src/contract/hub-config.ts";
import type { Log } from "../../src/contract/runtime.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import type { EdgeCount } from "../../src/contract/traffic.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { PlanSource } from "../../src/hub/plans.ts";
import type { RunPlan } from "../../src/routing/plan.ts";
import { FakePlans } from "./fake-plans.ts";
import { within } from "./deadline.ts";

export interface HubSettings {
  readonly tls?: TlsFiles | null;
  readonly identity?: IdentityGates;
  readonly config?: Partial<HubConfig>;
  /** Default: loopback. */
  readonly host?: string;
  readonly port?: number;
  readonly admin?: boolean;
  readonly log?: Log;
  readonly services?: (router: ConnectRouter, hub: Hub) => Discovery | void;
}

export interface TestHub extends AsyncDisposable {
  readonly served: Served;
  readonly hub: Hub;
  /** Where a plan was given; else it does nothing. */
  readonly plans: FakePlans;
  /** `host:port`. */
  readonly address: string;
  readonly url: string;
  /** Counters of the edge `from>to` of `demo/run`. */
  edge(name: string): EdgeCount;
}

/** Starts a hub that obeys `plan` for `demo/run`, or another source of plans. */
export async function serveHub(plan: RunPlan | PlanSource | null, settings: HubSettings = {}): Promise<TestHub> {
  const plans = new FakePlans(plan !== null && "steps" in plan ? plan : null);
  const served = await serve({
    listen: { host: settings.host ?? "127.0.0.1", port: settings.port ?? 0 },
    admin: settings.admin ? { host: "127.0.0.1", port: 0 } : null,
    tls: settings.tls ?? null,
    identity: settings.identity,
    config: { ...readHubConfig(() => undefined).config, ...settings.config },
    plans: plan !== null && "subscribe" in plan ? plan : plans,
    services: settings.services ?? (() => {}),
    missing: () => [],
    clock: systemClock,
    log: settings.log ?? silentLog,
  });
  return {
    served,
    hub: served.hub,
    plans,
    address: served.address,
    url: `${settings.tls ? "https" : "http"}://${served.address}`,
    edge(name) {
      const [from, to] = name.split(">");
      const edge = served.hub.edges("demo", "run").find((each) => each.from === from && each.to === to);
      if (edge === undefined) throw new Error(`no edge ${name}`);
      return edge;
    },
    [Symbol.asyncDispose]: () => within(5_000, "end of the hub", served.close(100)),
  };
}
