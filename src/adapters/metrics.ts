/**
 * Prometheus metrics of a hub (data-plane 8.1). The path counts in plain fields; they are read here at each scrape.
 * Names are the ecosystem's; labels are namespace, story, step and reason (DECISIONS W-41).
 */
import client from "prom-client";
import type { Hub, HubFacts } from "../hub/hub.ts";
import type { IdentityGate } from "./identity/gate.ts";
import { addIdentityCounter } from "./identity/metrics.ts";

/** Renders metrics; content type in `contentType`. */
export interface Metrics {
  readonly contentType: string;
  render(): Promise<string>;
}

type Sample = readonly [labels: Record<string, string>, value: number];

export function hubMetrics(hub: Hub, version: string, identity: readonly IdentityGate[] = []): Metrics {
  const registry = new client.Registry();
  addIdentityCounter(registry, identity);
  let facts: HubFacts = hub.facts();
  const counter = (name: string, help: string, labelNames: readonly string[], read: () => Iterable<Sample>) => {
    new client.Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.inc(labels, value);
      },
    });
  };
  const gauge = (name: string, help: string, labelNames: readonly string[], read: () => Iterable<Sample>) => {
    new client.Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.inc(labels, value);
      },
    });
  };
  const one = (value: number): readonly Sample[] => [[{}, value]];
  const step = ["namespace", "story", "step"];

  gauge("bobravoz_build_info", "Version of this program", ["version"], () => [[{ version }, 1]]);
  gauge("bobravoz_hub_active_streams", "Streams that are registered", [], () => one(facts.activeStreams));
  counter("bobravoz_hub_streams_refused_total", "Streams refused at the limit", [], () => one(facts.refusedStreams));
  gauge("bobravoz_hub_buffered_bytes", "Bytes in all buffers", [], () => one(facts.bufferedBytes));
  counter("bobravoz_hub_heartbeats_sent_total", "Heartbeats sent", [], () => one(facts.heartbeatsSent));
  counter("bobravoz_hub_heartbeats_received_total", "Heartbeats received", [], () => one(facts.counters.heartbeats));
  counter("bobravoz_hub_packets_received_total", "Packets received", [], () => one(facts.counters.packets));
  counter(
    "bobravoz_hub_packets_unrouted_total",
    "Packets of steps that their Story does not have",
    [],
    () => one(facts.counters.unrouted),
  );
  counter(
    "bobravoz_hub_startup_capabilities_observations_total",
    "Streams by their startup.capabilities",
    ["mode"],
    () => Object.entries(facts.capabilities).map(([mode, count]): Sample => [{ mode }, count]),
  );
  const byTarget = (read: (edge: HubFacts["edges"][number]) => number) => (): readonly Sample[] =>
    facts.edges.map((edge) => [{ namespace: edge.namespace, story: edge.story, step: edge.to }, read(edge)]);
  counter(
    "bobravoz_grpc_messages_received_total",
    "Packets accepted for a step",
    step,
    byTarget((edge) => edge.received),
  );
  counter("bobravoz_grpc_messages_sent_total", "Packets sent to a step", step, byTarget((edge) => edge.delivered));
  counter("bobravoz_hub_delivered_bytes_total", "Bytes sent to a step", step, byTarget((edge) => edge.deliveredBytes));
  gauge("bobravoz_hub_buffer_current_size", "Packets that wait for a step", step, byTarget((edge) => edge.buffered));
  counter(
    "bobravoz_hub_messages_dropped_total",
    "Packets dropped, by reason",
    [...step, "reason"],
    function* () {
      for (const { namespace, story, to, dropped } of facts.edges) {
        for (const [reason, count] of dropped) yield [{ namespace, story, step: to, reason }, count] as Sample;
      }
    },
  );
  return {
    contentType: registry.contentType,
    render() {
      facts = hub.facts();
      return registry.metrics();
    },
  };
}
