/** Types of the Control stream: an enum value where there is one, else the custom action (data-plane 1.4). */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ControlAction,
  type ControlRequest,
  ControlRequestSchema,
  ControlResponseSchema,
} from "../../gen/transport/v1/transport_pb.ts";

const names = {
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

/** A type of the Control stream with an enum value. */
export type ControlType = (typeof names)[keyof typeof names];

export interface ControlMessage {
  /** Its type string, trimmed; empty for none. */
  readonly type: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What an engram says; null where it is no ControlRequest. */
export function readControl(bytes: Uint8Array, start: number, end: number): ControlMessage | null {
  let request: ControlRequest;
  try {
    request = fromBinary(ControlRequestSchema, bytes.subarray(start, end));
  } catch {
    return null;
  }
  const { action, customAction, metadata } = request;
  const known: Readonly<Record<number, string>> = names;
  return { type: customAction.trim() || (known[action] ?? ""), metadata };
}

const actions = new Map<string, ControlAction>(
  Object.entries(names).filter(([, name]) => name !== "")
    // the keys of the table are the enum's numbers
    .map(([action, name]): [string, ControlAction] => [name, Number(action) as ControlAction]),
);

/** A ControlResponse. */
export function controlResponse(type: string, metadata: Readonly<Record<string, string>>): Uint8Array {
  const action = actions.get(type);
  return toBinary(
    ControlResponseSchema,
    create(ControlResponseSchema, {
      action: action ?? ControlAction.UNSPECIFIED,
      customAction: action === undefined ? type : "",
      metadata,
    }),
  );
}
