/**
 * The way of an edge in fact: a published direct edge is demoted where the two ends can not, or not yet, speak to
 * each other (control-plane T-12, T-15, K-08, K-16 … K-18, T-20). Nothing is ever promoted.
 */
import type { EffectiveSettings } from "../contract/effective-settings.ts";
import { hubNeed } from "./analysis.ts";
import type { Mode } from "./analysis.ts";
import type { GraphNode } from "./graph.ts";
import type { ReasonCode } from "./reasons.ts";
import type { StepTransport } from "./transports.ts";

/** What runs a step. `unknown`: its Engram is not known. `job`: one that ends, without binding. */
export type StepKind = "realtime" | "job" | "primitive" | "unknown";

/** A step as one end of an edge. */
export interface EdgeEnd {
  readonly node: GraphNode;
  /** Identity on the wire. */
  readonly id: string;
  readonly kind: StepKind;
  readonly transport: StepTransport | null;
}

/** What a connector has said of itself; nothing is known of one that has not reported. */
export interface Presence {
  readonly reported: boolean;
  readonly listener: { readonly endpoint: string; readonly serverName: string } | null;
}

/** Live facts that a decision may wait for. */
export interface LiveFacts {
  /** By step name; absent: no connector has reported. */
  presence?(step: string): Presence;
  /**
   * Whether the hub holds no packet of the edge, by step ids; absent: it holds none. Asked where all else allows a
   * direct edge: packets that are still in the hub would be overtaken. Whoever answers decides again once it
   * changes. The other way round needs no answer: a sender finishes what it has written to its peer.
   */
  drained?(from: string, to: string): boolean;
}

/** Why a published direct edge goes through the hub all the same; null when it is direct in fact. */
export function demotion(from: EdgeEnd, to: EdgeEnd, live: LiveFacts): ReasonCode | null {
  const ends = [from, to];
  if (ends.some((end) => end.kind === "primitive")) return "PrimitiveEnd";
  if (ends.some((end) => end.kind === "unknown")) return "EngramUnknown";
  if (ends.some((end) => end.kind === "job")) return "JobModeEnd";
  if (from.transport === null || to.transport === null) return "TransportUnknown";
  if (to.transport.override.forceHub) return "ReceiverRoutingModeHub";
  if (from.transport.driver !== to.transport.driver) return "DifferentDrivers";
  if (from.transport.index !== to.transport.index) return "DifferentTransports";
  if (from.transport.settings === null) return "TransportUnknown";
  if (asksForHub(from.transport.settings)) return "HubOnlySetting";
  const receiver = live.presence?.(to.node.name);
  if (!receiver?.reported || receiver.listener === null) return "PeerListenerMissing";
  if (!live.presence?.(from.node.name).reported) return "PeerNotReported";
  return live.drained?.(from.id, to.id) === false ? "EdgeDraining" : null;
}

/** Whether settings ask for something that only the hub provides (control-plane T-15). */
function asksForHub(settings: EffectiveSettings): boolean {
  return settings.routing.rules.length > 0 || settings.fanIn !== undefined ||
    settings.recording.mode !== "off" || settings.delivery.replay.mode !== "none" ||
    settings.partitioning.mode !== "none";
}

/** What a packet of an edge pays. */
export interface Cost {
  /** Connections that a packet crosses between the two connectors. */
  readonly networkHops: number;
  /** What is decoded between the two connectors. */
  readonly decodes: "nothing" | "metadata" | "payload";
}

/** The cost of an edge: the hub scans metadata, and reads the payload only for what is evaluated per packet. */
export function costOf(mode: Mode, from: EdgeEnd, to: EdgeEnd): Cost {
  if (mode === "p2p") return { networkHops: 1, decodes: "nothing" };
  const settings = from.transport?.settings;
  const readsPayload = hubNeed(to.node.step) !== null || (settings?.routing.rules.length ?? 0) > 0 ||
    settings?.recording.mode === "payload";
  return { networkHops: 2, decodes: readsPayload ? "payload" : "metadata" };
}
