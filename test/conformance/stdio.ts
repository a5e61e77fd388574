// How the suite and a program that it tests talk: protobuf messages over standard input and output, each behind its
// length as four bytes.

import { Buffer } from "node:buffer";
import process from "node:process";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";

/** The messages of standard input, until its end. */
export async function* readMessages<D extends DescMessage>(schema: D): AsyncGenerator<MessageShape<D>> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
      const end = 4 + bytes.readUInt32BE(0);
      yield fromBinary(schema, bytes.subarray(4, end));
      bytes = bytes.subarray(end);
    }
  }
}

/** Writes one message to standard output. */
export function writeMessage<D extends DescMessage>(schema: D, message: MessageShape<D>): void {
  const body = toBinary(schema, message);
  const framed = Buffer.alloc(4 + body.length);
  framed.writeUInt32BE(body.length, 0);
  framed.set(body, 4);
  process.stdout.write(framed);
}
