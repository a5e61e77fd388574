/**
 * What a control message of the connector means, and what is answered (data-plane 6.10, 5 to 8). Pure: the session
 * sends the answer and judges the handshake.
 */
import { create } from "@bufbuild/protobuf";
import {
  ControlAction,
  type ControlRequest,
  ControlRequestSchema,
  type ControlResponse,
} from "../../gen/transport/v1/transport_pb.ts";
import { controlTypeOf } from "../contract/control-types.ts";
import { requestHeaders } from "../contract/names.ts";

/** What a message says about the handshake. */
export type Startup = "ready" | "readyWithCapabilities" | "capabilities" | "badMode" | null;

export interface ControlFacts {
  readonly type: string;
  readonly startup: Startup;
  /** Null: nothing is answered. */
  readonly answer: ControlRequest | null;
}

export function readControl({ action, customAction, metadata }: ControlResponse): ControlFacts {
  const type = customAction !== "" ? customAction : controlTypeOf(action);
  switch (type) {
    case "ack":
      return { type, startup: null, answer: null };
    case "connector.ready":
      return { type, startup: startupOf(metadata[requestHeaders.capabilities]), answer: ack(type, true, "startup") };
    case "connector.capabilities":
      return { type, startup: "capabilities", answer: ack(type, true, "capabilities") };
    case "handoff.draining":
    case "handoff.cutover":
    case "handoff.ready":
      return { type, startup: null, answer: ack(type, true, "handoff") };
    case "noop":
    case "":
      return { type, startup: null, answer: ack(type, false, "noop") };
    default:
      return { type, startup: null, answer: ack(type, false, "no_control_handler") };
  }
}

function startupOf(mode: string | undefined): Startup {
  if (mode === "none") return "ready";
  return mode === "required" ? "readyWithCapabilities" : "badMode";
}

function ack(type: string, handled: boolean, reason: string): ControlRequest {
  const metadata = { type, handled: String(handled), reason };
  return create(ControlRequestSchema, { action: ControlAction.ACK, metadata });
}

/** Says that a packet was handled (data-plane 6.6). */
export function receipt(streamId: string, sequence: bigint, partition: string, sizeBytes: number): ControlRequest {
  return create(ControlRequestSchema, {
    customAction: "downstream.delivered",
    metadata: { stream_id: streamId, sequence: String(sequence), partition, size_bytes: String(sizeBytes) },
  });
}

/** Says that the engram lives. */
export function heartbeat(nowMs: number): ControlRequest {
  return create(ControlRequestSchema, { action: ControlAction.HEARTBEAT, metadata: { ts: String(nowMs) } });
}
