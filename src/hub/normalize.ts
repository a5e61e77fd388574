/** The slow way of a request whose bytes the scan could not judge: decoded, checked against every limit, encoded plainly. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ProcessRequest, ProcessRequestSchema } from "../../gen/transport/v1/hub_pb.ts";
import { validateMessage } from "../contract/bounds.ts";

/** Answers the request in plain encoding (each field once, no groups), or in field terms why it is not valid. */
export type Normalize = (bytes: Uint8Array) => Uint8Array | string;

export const normalizeRequest: Normalize = (bytes) => {
  let request: ProcessRequest;
  try {
    request = fromBinary(ProcessRequestSchema, bytes);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const violations = validateMessage(ProcessRequestSchema, request);
  if (violations.length > 0) return violations.map(({ field, message }) => `${field}: ${message}`).join("; ");
  return toBinary(ProcessRequestSchema, request, { writeUnknownFields: false });
};
