/**
 * A hub that decides for itself: the control loop over a cluster, the hub that obeys it, and discovery that tells.
 * `bobravoz hub` is this over a directory; `bobravoz local` is this with engrams as child processes.
 */
import type { ConnectRouter } from "@connectrpc/connect";
import { file_grpc_reflection_v1_reflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { file_grpc_reflection_v1alpha_reflection } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import {
  DiscoveryService,
  file_bobravoz_discovery_v1_discovery,
} from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { file_grpc_health_v1_health } from "../../gen/grpc/health/v1/health_pb.ts";
import { file_transport_v1_hub, HubService } from "../../gen/transport/v1/hub_pb.ts";
import { paced } from "../adapters/pace.ts";
import { addDiscovery } from "../adapters/rpc/discovery.ts";
import { addHealth, Health } from "../adapters/rpc/health.ts";
import { addReflection } from "../adapters/rpc/reflection.ts";
import type { AdminOptions } from "../adapters/http/admin.ts";
import type { TlsFiles } from "../adapters/grpc/options.ts";
import { TransportError } from "../contract/errors.ts";
import type { HubConfig } from "../contract/hub-config.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import type { Cluster } from "../control/cluster.ts";
import { type DecideOptions, plansOf } from "../control/decisions.ts";
import { Control } from "../control/loop.ts";
import { ConnectorReports } from "../control/reports.ts";
import { BindingSnapshot } from "../control/snapshot.ts";
import type { Hub } from "../hub/hub.ts";
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
  /** Facts beside the hub's own address and buffers. */
  readonly decide?: Omit<Partial<DecideOptions>, "hubEndpoint" | "drained">;
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
  /** Rejects when the cluster cannot be watched any more; settles after `close`. */
  readonly watching: Promise<void>;
  /** Drains the hub for at most `limitMs`, then closes everything. Idempotent. */
  close(limitMs: number): Promise<void>;
}

/** Starts it; settles once the ports answer, while the first list may still be under way (`control.synced`). */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { cluster, clock, log } = options;
  let address = options.advertised ?? "";
  let hub: Hub | null = null;
  const control = new Control({
    cluster,
    clock,
    log,
    bindings: "create",
    breathe: paced(1),
    decide: {
      ...options.decide,
      hubEndpoint: () => address,
      drained: (namespace, storyRun, from, to) => {
        const edges = hub?.edges(namespace, storyRun) ?? [];
        return !edges.some((edge) => edge.from === from && edge.to === to && edge.buffered > 0);
      },
    },
  });
  const reports = new ConnectorReports({
    cluster,
    clock,
    log,
    binding: (namespace, name) => control.world.get("TransportBinding", namespace, name),
  });
  // A large edit is encoded in slices between which packets and acknowledgements pass.
  const snapshot = new BindingSnapshot(control, { schedule: (run) => void setImmediate(run) });
  const services = [HubService.typeName, DiscoveryService.typeName];
  const health = new Health(services);
  let isSynced = false;
  const closing = new AbortController();
  const served = await serve({
    ...options,
    plans: plansOf(control),
    missing: () => isSynced ? [] : ["the first list of the cluster is not done"],
    services(router: ConnectRouter, traffic: Hub) {
      hub = traffic;
      const discovery = addDiscovery(router, {
        decisions: control,
        snapshot,
        reports,
        traffic,
        clock,
        closing: closing.signal,
      });
      addHealth(router, health);
      addReflection(router, [
        file_transport_v1_hub,
        file_bobravoz_discovery_v1_discovery,
        file_grpc_health_v1_health,
        file_grpc_reflection_v1_reflection,
        file_grpc_reflection_v1alpha_reflection,
      ]);
      return discovery;
    },
  });
  if (options.advertised === null) address = served.address;
  const stop = new AbortController();
  const watching = control.run(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  void control.synced.then(() => {
    isSynced = true;
    health.set(true);
  });
  let closed: Promise<void> | null = null;
  return {
    control,
    reports,
    hub: served.hub,
    address: served.address,
    adminAddress: served.adminAddress,
    watching,
    close(limitMs) {
      return closed ??= (async () => {
        health.set(false);
        closing.abort(new TransportError("HubDraining", "the hub is stopping"));
        await served.close(limitMs);
        stop.abort();
        await Promise.allSettled([watching]);
        reports.close();
        snapshot.close();
      })();
    },
  };
}
