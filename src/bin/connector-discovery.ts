/** What a connector with binding discovery has besides; loaded by those alone. */
import { DiscoveryClient } from "../adapters/connector/discovery-client.ts";
import { driverNames } from "../adapters/drivers/table.ts";
import type { ConnectorBinding } from "../connector/binding.ts";
import type { Connector } from "../connector/connector.ts";
import type { StepIdentity } from "../connector/discovery.ts";
import { Follower } from "../connector/follower.ts";
import { Reporter, type ReporterOptions } from "../connector/reporter.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import type { ConnectorSetup } from "./connector-config.ts";

export interface DiscoveryParts {
  /** The binding, waiting for it. */
  first(limitMs: number): Promise<ConnectorBinding>;
  /** Follows the binding on behalf of `connector`, and reports what it is. */
  attach(
    connector: Connector,
    generation: number,
    listener: ReporterOptions["listener"],
  ): { readonly reporter: Reporter; close(stop: Promise<void>): Promise<void> };
  /** Ends the connection. */
  close(): Promise<void>;
}

export function openDiscovery(
  address: string,
  identity: StepIdentity,
  shown: Pick<ConnectorSetup, "tls" | "token">,
  clock: Clock,
  log: Log,
): DiscoveryParts {
  const discovery = new DiscoveryClient({
    address,
    get tls() {
      return shown.tls;
    },
    token: shown.token,
    clock,
  });
  let apply = (_: ConnectorBinding): void => {};
  const follower = new Follower({
    discovery,
    identity,
    drivers: driverNames,
    apply: (binding) => apply(binding),
    clock,
    log,
    random: Math.random,
  });
  return {
    first: (limitMs) => follower.first(limitMs),
    attach(connector, generation, listener) {
      const reporter = new Reporter({ discovery, connector, identity, generation, listener, clock, log });
      apply = (binding) => connector.applyBinding(binding);
      follower.start();
      return {
        reporter,
        async close(stop) {
          follower.stop();
          await stop;
          await reporter.stop();
        },
      };
    },
    close: () => discovery.close(),
  };
}
