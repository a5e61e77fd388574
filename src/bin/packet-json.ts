/** Packets as JSON text, one a line: protojson of DataPacket, and a short form for payloads. */
import { create, fromJson, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import { TransportError } from "../contract/errors.ts";
import { type DataPacket, DataPacketSchema } from "../../gen/transport/v1/hub_pb.ts";

const fieldNames: ReadonlySet<string> = new Set(
  DataPacketSchema.fields.flatMap((field) => [field.name, field.jsonName]),
);

/**
 * Reads one line: an object all of whose keys are fields of DataPacket is one; an object with none of them is the
 * payload of one. Throws `InvalidPacket` naming the line for everything else.
 */
export function parsePacket(text: string, line: number): DataPacket {
  const refuse = (message: string, cause?: unknown) =>
    new TransportError("InvalidPacket", `line ${line}: ${message}`, {}, { cause });
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw refuse(`not JSON: ${(error as Error).message}`, error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refuse("a packet is a JSON object");
  }
  const keys = Object.keys(value);
  const foreign = keys.filter((key) => !fieldNames.has(key));
  if (foreign.length === keys.length && keys.length > 0) {
    return create(DataPacketSchema, { payload: value as JsonObject });
  }
  if (foreign.length > 0) throw refuse(`"${foreign[0]}" is no field of a packet; a payload goes into "payload"`);
  try {
    return fromJson(DataPacketSchema, value);
  } catch (error) {
    throw refuse((error as Error).message, error);
  }
}

/** One line, without its end. */
export function formatPacket(packet: DataPacket): string {
  return JSON.stringify(toJson(DataPacketSchema, packet));
}
