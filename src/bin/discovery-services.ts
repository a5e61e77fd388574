/** Discovery, health and reflection over one control loop, as every program with a gRPC port serves them. */
import type { ConnectRouter } from "@connectrpc/connect";
import type { DescFile } from "@bufbuild/protobuf";
import { file_grpc_reflection_v1_reflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { file_grpc_reflection_v1alpha_reflection } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import {
  DiscoveryService,
  file_bobravoz_discovery_v1_discovery,
} from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { file_grpc_health_v1_health } from "../../gen/grpc/health/v1/health_pb.ts";
import { addDiscovery } from "../adapters/rpc/discovery.ts";
import type { Authorize, Discovery } from "../adapters/rpc/discovery-server.ts";
import { addHealth, Health } from "../adapters/rpc/health.ts";
import { addReflection } from "../adapters/rpc/reflection.ts";
import { TransportError } from "../contract/errors.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import type { Traffic } from "../contract/traffic.ts";
import type { Cluster } from "../control/cluster.ts";
import type { Control } from "../control/loop.ts";
import { ConnectorReports } from "../control/reports.ts";
import { BindingSnapshot } from "../control/snapshot.ts";

export interface DiscoveryServicesOptions {
  readonly control: Control;
  readonly cluster: Cluster;
  /** Names of the services beside discovery, for health. */
  readonly beside?: readonly string[];
  /** Their descriptors, for reflection. */
  readonly files?: readonly DescFile[];
  /** Who may ask. Default: everybody. */
  readonly authorize?: Authorize | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface DiscoveryServices {
  readonly reports: ConnectorReports;
  /** Whether the first list of every kind is done. */
  readonly isSynced: boolean;
  /** Adds the services; `traffic` is the hub of this process, or null. */
  add(router: ConnectRouter, traffic: Traffic | null): Discovery;
  /** Ends the calls that wait, with this reason for whoever asks. */
  stop(reason: string): void;
  /** Releases the rest, once the port is closed. */
  close(): void;
}

/** Makes them; health says that they serve once the loop has seen the first list of every kind. */
export function discoveryServices(options: DiscoveryServicesOptions): DiscoveryServices {
  const { control, cluster, clock, log } = options;
  const reports = new ConnectorReports({
    cluster,
    clock,
    log,
    binding: (namespace, name) => control.world.get("TransportBinding", namespace, name),
  });
  // A large edit is encoded in slices between which packets and acknowledgements pass.
  const snapshot = new BindingSnapshot(control, { schedule: (run) => void setImmediate(run) });
  const health = new Health([...options.beside ?? [], DiscoveryService.typeName]);
  const closing = new AbortController();
  let isSynced = false;
  void control.synced.then(() => {
    isSynced = true;
    if (!closing.signal.aborted) health.set(true);
  });
  return {
    reports,
    get isSynced() {
      return isSynced;
    },
    add(router, traffic) {
      const { authorize } = options;
      const discovery = addDiscovery(router, {
        decisions: control,
        snapshot,
        reports,
        traffic,
        clock,
        closing: closing.signal,
        ...(authorize === undefined ? {} : { authorize }),
      });
      addHealth(router, health);
      addReflection(router, [
        ...options.files ?? [],
        file_bobravoz_discovery_v1_discovery,
        file_grpc_health_v1_health,
        file_grpc_reflection_v1_reflection,
        file_grpc_reflection_v1alpha_reflection,
      ]);
      return discovery;
    },
    stop(reason) {
      health.set(false);
      closing.abort(new TransportError("HubDraining", reason));
    },
    close() {
      reports.close();
      snapshot.close();
    },
  };
}
