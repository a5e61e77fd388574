// What both conformance clients read of requests and responses.

import { create, fromBinary } from "@bufbuild/protobuf";
import {
  type ConformancePayload,
  ConformancePayloadSchema,
  UnaryResponseSchema,
} from "./gen/connectrpc/conformance/v1/conformance_pb.ts";

/** The payload of a response of any method; all responses have the same one field. */
export function payloadOf(response: Uint8Array): ConformancePayload {
  return fromBinary(UnaryResponseSchema, response).payload ?? create(ConformancePayloadSchema);
}
