/**
 * What the hub appends to a packet's body for one target, encoded once per plan: the identity keys with the target's
 * step, the target's literal inputs, and the envelope (data-plane 3.12c, 4.6).
 */
import { fromJson, toBinary } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { compose } from "../contract/compose.ts";
import { packetKeys } from "../contract/names.ts";
import type { JsonObject } from "../contract/resources.ts";
import { field, join } from "../delivery/encode.ts";

const utf8 = new TextEncoder();

export class Suffix {
  /** For a packet without partition. */
  readonly bytes: Uint8Array;
  readonly #head: Uint8Array;
  readonly #streamId: Uint8Array;

  constructor(namespace: string, storyRun: string, step: string, inputs: JsonObject | null) {
    const pair = (key: string, value: string): Uint8Array =>
      field(1, join([field(1, utf8.encode(key)), field(2, utf8.encode(value))]));
    this.#head = join([
      pair(packetKeys.storyRun, storyRun),
      pair(packetKeys.namespace, namespace),
      pair(packetKeys.step, step),
      inputs === null ? new Uint8Array() : field(3, encodeStruct(inputs)),
    ]);
    this.#streamId = field(1, utf8.encode(streamId(namespace, storyRun, step)));
    this.bytes = join([this.#head, field(8, this.#streamId)]);
  }

  /** For a packet whose sender gave it a partition, as the encoded field 3 of its envelope. */
  withPartition(partition: Uint8Array): Uint8Array {
    return join([this.#head, field(8, join([this.#streamId, partition]))]);
  }
}

/** `namespace/run/step`, or a digest of it where that is over the 128 characters of the wire (DECISIONS W-39). */
export function streamId(namespace: string, storyRun: string, step: string): string {
  const plain = `${namespace}/${storyRun}/${step}`;
  return [...plain].length <= 128 ? plain : compose([namespace, storyRun, step]);
}

/** The response that every active stream gets as a heartbeat (data-plane 2.6). */
export const heartbeatResponse: Uint8Array = field(
  1,
  join([
    field(1, join([field(1, utf8.encode(packetKeys.heartbeat)), field(2, utf8.encode("true"))])),
    field(2, new Uint8Array()),
  ]),
);

function encodeStruct(value: JsonObject): Uint8Array {
  // A JsonObject is what ProtoJSON of Struct takes; only its readonly marks differ.
  return toBinary(StructSchema, fromJson(StructSchema, value as Parameters<typeof fromJson>[1]));
}
