/** Types of the Control stream: an enum value where there is one, else the custom action (data-plane 1.4). */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ControlAction,
  type ControlRequest,
  ControlRequestSchema,
  ControlResponseSchema,
} from "../../gen/transport/v1/transport_pb.ts";
import { controlTypeOf, controlTypes } from "../contract/control-types.ts";

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
  return { type: customAction.trim() || controlTypeOf(action), metadata };
}

const actions = new Map<string, ControlAction>(
  Object.entries(controlTypes).filter(([, name]) => name !== "")
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
