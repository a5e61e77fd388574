import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Buffer } from "node:buffer";
import { FrameReader } from "../http/frame-reader.ts";
import { MessageWriter } from "./message-writer.ts";

const test = suite("writing of gRPC messages");

const part = fc.oneof(
  fc.uint8Array({ maxLength: 100 }),
  fc.integer({ min: 1500, max: 4000 }).map((n) => new Uint8Array(n).fill(n)),
);

test("law: what is written is read again whole and in order, and its end is told once", () => {
  fc.assert(fc.property(fc.array(fc.array(part, { maxLength: 4 })), (messages) => {
    const writer = new MessageWriter();
    let size = 0;
    for (const parts of messages) {
      const length = parts.reduce((sum, each) => sum + each.length, 0);
      writer.add(parts.length === 1 ? parts[0]! : parts, length);
      size += 5 + length;
    }
    assert.is(writer.pendingBytes, size);
    const chunks: Uint8Array[] = [];
    let told = 0;
    let toldAt = -1;
    let corks = 0;
    writer.flush({
      write(chunk, written) {
        chunks.push(chunk);
        if (written !== undefined) toldAt = chunks.length;
        return false;
      },
      cork: () => corks++,
      uncork: () => corks--,
    }, () => told++);
    assert.is(corks, 0);
    assert.is(told, 0);
    if (messages.length > 0) assert.is(toldAt, chunks.length);
    assert.is(writer.pendingBytes, 0);
    const got: string[] = [];
    const reader = new FrameReader(
      {
        message: (bytes, start, end) => (got.push(Buffer.from(bytes.subarray(start, end)).toString("hex")), true),
        messageParts: () => assert.unreachable() as never,
        fault: () => assert.unreachable(),
      },
      1e6,
      Infinity,
    );
    for (const chunk of chunks) reader.read(Buffer.from(chunk));
    assert.equal(got, messages.map((parts) => Buffer.concat(parts).toString("hex")));
  }));
});

test("short messages leave in one write, a long one lies where it lay", () => {
  const writer = new MessageWriter();
  const long = new Uint8Array(5000);
  for (const message of [new Uint8Array(3), new Uint8Array(4), long, new Uint8Array(5)]) {
    writer.add(message, message.length);
  }
  const chunks: Uint8Array[] = [];
  writer.flush({ write: (chunk) => (chunks.push(chunk), true), cork() {}, uncork() {} });
  assert.equal(chunks.map(({ length }) => length), [5 + 3 + 5 + 4 + 5, 5000, 5 + 5]);
  assert.is(chunks[1], long);
});

test.run();
