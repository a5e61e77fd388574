/** Counters of a run's edges from everybody who counts: the hub, and the senders of edges that go past it. */
import { EdgeMode } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import type { EdgeCount, Traffic } from "../contract/traffic.ts";
import type { RunDecision } from "../control/decisions.ts";
import type { ConnectorReports } from "../control/reports.ts";

/**
 * The hub's edges, then the direct ones as their senders reported them: a receiver reports the same packets again, and
 * would count them twice.
 */
export function edgesOf(
  decision: Pick<RunDecision, "namespace" | "storyRun" | "bindings" | "plan">,
  traffic: Traffic,
  reports: ConnectorReports,
): readonly EdgeCount[] {
  const { namespace, storyRun } = decision;
  // Connectors know steps by their names, the hub by their ids.
  const idOf = (step: string) => decision.plan.aliases?.get(step) ?? step;
  const direct = decision.bindings.flatMap(({ step }): EdgeCount[] => {
    const report = reports.facts({ namespace, storyRun, step }).report;
    return (report?.edges ?? []).filter((edge) => edge.mode === EdgeMode.P2P && edge.from === step).map((edge) => ({
      from: idOf(edge.from),
      to: idOf(edge.to),
      mode: "p2p",
      received: Number(edge.received),
      receivedBytes: Number(edge.receivedBytes),
      delivered: Number(edge.delivered),
      deliveredBytes: Number(edge.deliveredBytes),
      buffered: Number(edge.buffered),
      dropped: new Map(Object.entries(edge.dropped).map(([reason, count]) => [reason, Number(count)])),
    }));
  });
  return [...traffic.edges(namespace, storyRun), ...direct];
}
