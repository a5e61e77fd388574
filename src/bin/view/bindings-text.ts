/** Bindings as text: a row for each step, and below it a row for each of its outgoing edges. */
import { clone } from "@bufbuild/protobuf";
import {
  BindingState,
  type BindingStatus,
  BindingStatusSchema,
  ConnectorState,
  type Edge,
  EdgeMode,
} from "../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { type Paint, table } from "./table.ts";

/** Steps, then edges; a rejection has a line of its own. */
export function bindingLines(all: readonly BindingStatus[], paint: Paint): string[] {
  if (all.length === 0) return ["no bindings"];
  const head = ["step", "state", "version", "acked", "connector", "stream"].map(paint.bold);
  const lines = table([head, ...all.map((each) => stepRow(each, paint))]);
  const edges = all.flatMap((each) => edgeCells(each, paint));
  if (edges.length > 0) {
    const edgeHead = ["edge", "mode", "reason", "received", "delivered", "buffered", "dropped"].map(paint.bold);
    lines.push("", ...table([edgeHead, ...edges], ["left", "left", "left", "right", "right", "right", "right"]));
  }
  for (const { binding, rejection } of all) {
    if (binding === undefined) continue;
    const name = stepName(binding);
    if (rejection !== undefined) {
      lines.push(paint.bad(`${name} rejected ${short(rejection.version)}: ${rejection.reason}: ${rejection.message}`));
    }
    if (binding.state === BindingState.FAILED) lines.push(paint.bad(`${name}: ${binding.reason}: ${binding.message}`));
  }
  return lines;
}

/** The same status without what moves with every packet. */
export function withoutCounters(status: BindingStatus): BindingStatus {
  const copy = clone(BindingStatusSchema, status);
  copy.edges = [];
  return copy;
}

function stepRow(status: BindingStatus, paint: Paint): string[] {
  const { binding } = status;
  if (binding === undefined) return ["?"];
  const state = enumName(BindingState, binding.state);
  const acked = status.ackedVersion;
  const isCurrent = acked === binding.version;
  return [
    stepName(binding),
    binding.state === BindingState.READY
      ? paint.good("READY")
      : `${state}${binding.reason === "" ? "" : ` (${binding.reason})`}`,
    short(binding.version),
    acked === "" ? "none" : isCurrent ? paint.good(short(acked)) : paint.bad(`${short(acked)} (behind)`),
    status.connectorGeneration === 0
      ? "none"
      : `${enumName(ConnectorState, status.connectorState)} generation ${status.connectorGeneration}` +
        (status.listener === undefined ? "" : ` at ${status.listener.endpoint}`),
    status.connected ? "connected" : "none",
  ];
}

function edgeCells({ binding, edges }: BindingStatus, paint: Paint): string[][] {
  return (binding?.downstreams ?? []).map((edge) => {
    // The hub and a reporting connector may both have carried packets of one edge.
    const counters = edges.filter((each) => each.from === edge.from && each.to === edge.to);
    const sum = (value: (each: BindingStatus["edges"][number]) => bigint) =>
      String(counters.reduce((total, each) => total + value(each), 0n));
    const dropped = counters.reduce((total, each) => Object.values(each.dropped).reduce((a, b) => a + b, total), 0n);
    return [
      `${edge.from} ─> ${edge.to}`,
      modeText(edge),
      edge.reason,
      sum((each) => each.received),
      sum((each) => each.delivered),
      sum((each) => each.buffered),
      dropped > 0n ? paint.bad(String(dropped)) : "0",
    ];
  });
}

function modeText({ published, effective }: Edge): string {
  const name = (mode: EdgeMode) => enumName(EdgeMode, mode).toLowerCase();
  return published === effective ? name(effective) : `${name(published)}, now ${name(effective)}`;
}

function stepName({ namespace, storyRun, step }: { namespace: string; storyRun: string; step: string }): string {
  return `${namespace}/${storyRun}/${step}`;
}

/** The beginning of a digest: enough to tell versions apart by eye. */
function short(version: string): string {
  return version.replace(/^sha256:/, "").slice(0, 12);
}

/** The name of an enum's value, or its number where this version does not know it. */
function enumName(names: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(names).find(([, each]) => each === value)?.[0] ?? String(value);
}
