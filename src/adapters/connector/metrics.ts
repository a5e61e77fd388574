/**
 * Metrics of a connector in Prometheus' text form (data-plane 8.2), written by hand: a sidecar loads no metrics library
 * for a dozen lines. Labels are namespace, binding, and words of closed lists.
 */
import type { Connector } from "../../connector/connector.ts";

type Row = readonly [labels: Readonly<Record<string, string>>, value: number];

/** Renders the metrics of `connector`; `reports` are those that went to discovery. */
export function connectorMetrics(
  connector: Connector,
  reports: () => { readonly succeeded: number; readonly failed: number },
): { readonly contentType: string; render(): Promise<string> } {
  return {
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    render: () => Promise.resolve(render(connector, reports())),
  };
}

function render(connector: Connector, reports: { readonly succeeded: number; readonly failed: number }): string {
  const { namespace, name: binding } = connector.binding;
  const { counters, buffered } = connector;
  const lines: string[] = [];
  const metric = (type: "counter" | "gauge", name: string, help: string, rows: Iterable<Row>) => {
    const whole = `bobravoz_connector_${name}`;
    lines.push(`# HELP ${whole} ${help}`, `# TYPE ${whole} ${type}`);
    for (const [labels, value] of rows) {
      const text = Object.entries({ namespace, binding, ...labels }).map(([key, each]) => `${key}="${escape(each)}"`);
      lines.push(`${whole}{${text.join(",")}} ${value}`);
    }
  };
  const one = (value: number): readonly Row[] => [[{}, value]];
  const by = (label: string, counts: ReadonlyMap<string, number>): readonly Row[] =>
    [...counts].map(([key, count]): Row => [{ [label]: key }, count]);
  metric(
    "counter",
    "capability_changes_total",
    "Changes of negotiated capabilities",
    by("field", counters.capabilityChanges),
  );
  metric("gauge", "capability_listeners", "Control streams of the engram", one(connector.controlListeners));
  metric(
    "counter",
    "downstream_drops_total",
    "Packets that did not reach the engram",
    by("reason", counters.downstreamDrops),
  );
  metric(
    "counter",
    "upstream_drops_total",
    "Packets of the engram that went nowhere",
    by("reason", counters.upstreamDrops),
  );
  metric(
    "counter",
    "control_directives_total",
    "Messages of the Control stream",
    [...counters.directives].map(
      ([key, count]): Row => {
        const [direction = "", type = ""] = key.split(" ");
        return [{ direction, type }, count];
      },
    ),
  );
  metric("gauge", "connection_state", "1 while the stream to the hub stands", one(connector.isConnected ? 1 : 0));
  metric("counter", "packets_received_total", "Packets of the engram", one(counters.packetsReceived));
  metric("counter", "packets_sent_total", "Packets that went to the hub", one(counters.packetsSent));
  metric("gauge", "buffered_packets", "Packets that wait", [
    [{ direction: "upstream" }, buffered.upstream],
    [{ direction: "downstream" }, buffered.downstream],
  ]);
  metric("counter", "reports_total", "Reports to discovery", [
    [{ outcome: "success" }, reports.succeeded],
    [{ outcome: "failure" }, reports.failed],
  ]);
  return `${lines.join("\n")}\n`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
