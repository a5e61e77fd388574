/** `bobravoz.discovery.v1.DiscoveryService` on a ConnectRouter (ARCHITECTURE.md 3). */
import type { ConnectRouter } from "@connectrpc/connect";
import { DiscoveryService } from "../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { checkedReport } from "../../control/connector-report.ts";
import { explainTopology } from "./discovery-explain.ts";
import { getBinding, look } from "./discovery-get.ts";
import { listBindings } from "./discovery-list.ts";
import { Discovery, type DiscoveryDeps } from "./discovery-server.ts";
import { followBindings, watchBindings } from "./discovery-watch.ts";
import { toConnectError, withStatus } from "./status.ts";

/**
 * Adds the service. Every failure is one of `adapters/rpc/status.ts`, with its reason as metadata. Returns what the
 * fast path of watches (`adapters/http/watch-stream.ts`) shares with it.
 */
export function addDiscovery(router: ConnectRouter, deps: DiscoveryDeps): Discovery {
  const discovery = new Discovery(deps);
  router.service(DiscoveryService, {
    getBinding: (request, context) =>
      withStatus(async () => ({ binding: await getBinding(discovery, request, context) })),
    watchBindings: (requests, context) => streamWithStatus(watchBindings(discovery, requests, context)),
    followBindings: (request, context) => streamWithStatus(followBindings(discovery, request, context)),
    reportConnector: (request, context) =>
      withStatus(async () => {
        const report = checkedReport(request);
        await discovery.authorize(context, "report", report);
        const binding = discovery.snapshot.find(report);
        if (binding === undefined) {
          const answer = look(discovery, report);
          throw "failure" in answer ? answer.failure : new Error("a binding without an entry");
        }
        await discovery.reports.report(report, binding.name, context.signal);
        return { version: discovery.snapshot.find(report)?.version ?? binding.version };
      }),
    listBindings: (request, context) => withStatus(() => listBindings(discovery, request, context)),
    explainTopology: (request) => withStatus(() => explainTopology(request)),
  });
  return discovery;
}

async function* streamWithStatus<T>(stream: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* stream;
  } catch (error) {
    throw toConnectError(error);
  }
}
