/**
 * A hub that decides for itself: the control loop over a cluster, the hub that obeys it, and discovery that tells.
 * `bobravoz hub` is this over a directory; `bobravoz local` is this with engrams as child processes.
 */
import { file_transport_v1_hub, HubService } from "../../gen/transport/v1/hub_pb.ts";
import { paced } from "../adapters/pace.ts";
import type { AdminOptions } from "../adapters/http/admin.ts";
import { authorizeBy } from "../adapters/identity/caller.ts";
import type { IdentityGates } from "../adapters/identity/gate.ts";
import { placedGate } from "../adapters/identity/placed-gate.ts";
import type { Http2Port } from "../adapters/grpc/listen.ts";
import type { TlsFiles } from "../adapters/grpc/options.ts";
import type { Metrics } from "../adapters/metrics.ts";
import type { HubConfig } from "../contract/hub-config.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import type { Cluster } from "../control/cluster.ts";
import { type DecideOptions, plansOf } from "../control/decisions.ts";
import { heldPlans, type OwnHub, recordedPlace } from "../control/held-plans.ts";
import { Control } from "../control/loop.ts";
import type { ConnectorReports } from "../control/reports.ts";
import type { Hub } from "../hub/hub.ts";
import { discoveryServices } from "./discovery-services.ts";
import { serve } from "./serve.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface NodeOptions {
  readonly cluster: Cluster;
  readonly listen: Address;
  /** Null: no admin port. */
  readonly admin: Pick<AdminOptions, "host" | "port" | "elseFree"> | null;
  readonly tls: TlsFiles | null;
  /** What bindings say of this hub; null: the address that it listens on. */
  readonly advertised: string | null;
  readonly config: HubConfig;
  /** Who may open streams and ask discovery. Default: everybody, as on a loopback address (DECISIONS W-01). */
  readonly identity?: IdentityGates | undefined;
  /**
   * One hub of several: it holds the runs that are placed on it, and writes nothing but what connectors report.
   * Default: it holds every run and writes its decisions.
   */
  readonly place?: OwnHub | undefined;
  /** Metrics are not on the admin port. */
  readonly metricsApart?: boolean | undefined;
  /** Facts beside the hub's own address and buffers. */
  readonly decide?: Omit<Partial<DecideOptions>, "hubEndpoint" | "hub" | "drained">;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Node {
  readonly control: Control;
  readonly reports: ConnectorReports;
  readonly hub: Hub;
  /** `host:port` of the gRPC port. */
  readonly address: string;
  readonly adminAddress: string | null;
  readonly server: Http2Port;
  readonly metrics: Metrics;
  /** Rejects when the cluster cannot be watched any more; settles after `close`. */
  readonly watching: Promise<void>;
  /** Drains the hub for at most `limitMs`, then closes everything. Idempotent. */
  close(limitMs: number): Promise<void>;
}

/** Starts it; settles once the ports answer, while the first list may still be under way (`control.synced`). */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { cluster, clock, log, place } = options;
  let address = options.advertised ?? "";
  let hub: Hub | null = null;
  const control = new Control({
    cluster,
    clock,
    log,
    bindings: "create",
    isLeader: () => place === undefined,
    breathe: paced(1),
    decide: {
      ...options.decide,
      hubEndpoint: () => address,
      ...place === undefined ? {} : {
        hub: (world, namespace, storyRun) => recordedPlace(world, namespace, storyRun, place),
      },
      drained: (namespace, storyRun, from, to) => {
        const edges = hub?.edges(namespace, storyRun) ?? [];
        return !edges.some((edge) => edge.from === from && edge.to === to && edge.buffered > 0);
      },
    },
  });
  const held = place === undefined ? null : heldPlans(control, place);
  const asks = options.identity?.discovery ?? null;
  const services = discoveryServices({
    control,
    authorize: asks === null ? undefined : authorizeBy(asks),
    cluster,
    beside: [HubService.typeName],
    files: [file_transport_v1_hub],
    clock,
    log,
  });
  const served = await serve({
    ...options,
    plans: held ?? plansOf(control),
    ...held === null ? {} : {
      identity: { hub: placedGate(options.identity?.hub ?? null, held, clock), discovery: asks },
    },
    missing: () => services.isSynced ? [] : ["the first list of the cluster is not done"],
    services(router, traffic) {
      hub = traffic;
      return services.add(router, traffic);
    },
  });
  if (options.advertised === null) address = served.address;
  const stop = new AbortController();
  const watching = control.run(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  let closed: Promise<void> | null = null;
  return {
    control,
    reports: services.reports,
    hub: served.hub,
    address: served.address,
    adminAddress: served.adminAddress,
    server: served.server,
    metrics: served.metrics,
    watching,
    close(limitMs) {
      return closed ??= (async () => {
        services.stop("the hub is stopping");
        await served.close(limitMs);
        stop.abort();
        await Promise.allSettled([watching]);
        services.close();
      })();
    },
  };
}
