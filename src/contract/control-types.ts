/** Type strings of the Control stream (data-plane 1.4): one table for connector and engram. */
import { ControlAction } from "../../gen/transport/v1/transport_pb.ts";

/** Enum value → type as peers write it; empty for none. */
export const controlTypes = {
  [ControlAction.UNSPECIFIED]: "",
  [ControlAction.NOOP]: "noop",
  [ControlAction.START]: "start",
  [ControlAction.STOP]: "stop",
  [ControlAction.START_UPSTREAM]: "start-upstream",
  [ControlAction.STOP_UPSTREAM]: "stop-upstream",
  [ControlAction.START_DOWNSTREAM]: "start-downstream",
  [ControlAction.STOP_DOWNSTREAM]: "stop-downstream",
  [ControlAction.HEARTBEAT]: "heartbeat",
  [ControlAction.CONNECTOR_READY]: "connector.ready",
  [ControlAction.CONNECTOR_CAPABILITIES]: "connector.capabilities",
  [ControlAction.HANDOFF_DRAINING]: "handoff.draining",
  [ControlAction.HANDOFF_CUTOVER]: "handoff.cutover",
  [ControlAction.HANDOFF_READY]: "handoff.ready",
  [ControlAction.ACK]: "ack",
  [ControlAction.ERROR]: "error",
  [ControlAction.CODEC_SELECT]: "codec-select",
} as const satisfies Record<ControlAction, string>;

/** The type of an enum value; empty for one that this table does not know. */
export function controlTypeOf(action: ControlAction): string {
  const known: Readonly<Record<number, string>> = controlTypes;
  return known[action] ?? "";
}
