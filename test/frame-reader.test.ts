import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Buffer } from "node:buffer";
import { FrameReader } from "../src/adapters/http/frame-reader.ts";
import { FrameWriter } from "../src/adapters/http/frame-writer.ts";
import { Packet } from "../src/delivery/packet.ts";

const test = suite("gRPC frames");

function frame(body: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

test("law: messages come out whole and in order, however they are cut and wherever reading is held", () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });
  fc.assert(
    fc.property(
      bodies,
      fc.array(fc.integer({ min: 1, max: 400 })),
      fc.array(fc.boolean()),
      fc.constantFrom(50, Infinity),
      (messages, cuts, holds, partsFrom) => {
        const got: Buffer[] = [];
        let calls = 0;
        const goesOn = () => !(holds[calls++] ?? false);
        const reader = new FrameReader(
          {
            message: (bytes, start, end) => (got.push(Buffer.from(bytes.subarray(start, end))), goesOn()),
            messageParts: (parts, length) => {
              const joined = Buffer.concat(parts);
              assert.is(joined.length, length);
              got.push(joined);
              return goesOn();
            },
            fault: () => assert.unreachable(),
          },
          1000,
          partsFrom,
        );
        const all = Buffer.concat(messages.map((each) => frame(each)));
        let at = 0;
        for (let i = 0; at < all.length; i++) {
          const size = cuts[i % (cuts.length || 1)] ?? all.length;
          let open = reader.read(all.subarray(at, at + size));
          while (!open) open = reader.resume();
          at += size;
        }
        assert.equal(
          got.map((each) => each.toString("hex")),
          messages.map((each) => Buffer.from(each).toString("hex")),
        );
        assert.is(reader.isCutOff, false);
      },
    ),
  );
});

test("a message over the limit and a compressed one stop the reading, what came before them counts", () => {
  for (
    const [bytes, expected] of [[frame(new Uint8Array(11)), "too-large 11"], [
      frame(new Uint8Array(2), 1),
      "compressed 2",
    ]] as const
  ) {
    const seen: string[] = [];
    const reader = new FrameReader(
      {
        message: (_, start, end) => (seen.push(`message ${end - start}`), true),
        messageParts: () => false,
        fault: (fault, length) => void seen.push(`${fault} ${length}`),
      },
      10,
      Infinity,
    );
    reader.read(Buffer.concat([frame(new Uint8Array(3)), bytes, frame(new Uint8Array(1))]));
    assert.equal(seen, ["message 3", expected]);
  }
});

test("law: what the writer writes the reader reads, small and large, in order", () => {
  const bodies = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.integer({ min: 2000, max: 5000 }).map((n) => new Uint8Array(n).fill(n)),
    ),
  );
  fc.assert(
    fc.property(bodies, fc.uint8Array({ maxLength: 200 }), (all, suffix) => {
      const writer = new FrameWriter();
      for (const body of all) {
        writer.add(new Packet(body, 0, body.length, null, body.length, 0, true, false, null), suffix);
      }
      const chunks: Uint8Array[] = [];
      writer.flush({ write: (chunk) => (chunks.push(chunk), true), cork() {}, uncork() {} });
      const got: number[] = [];
      const reader = new FrameReader(
        {
          message(bytes, start, end) {
            got.push(end - start);
            const body = bytes.subarray(end - suffix.length, end);
            assert.ok(Buffer.from(body).equals(suffix));
            return true;
          },
          messageParts: () => false,
          fault: () => assert.unreachable(),
        },
        1e6,
        Infinity,
      );
      for (const chunk of chunks) reader.read(Buffer.from(chunk));
      const lengthOf = (n: number) => 1 + (n < 128 ? 1 : n < 16384 ? 2 : 3) + n;
      assert.equal(got, all.map((body) => lengthOf(body.length + suffix.length)));
      assert.is(writer.pendingBytes, 0);
    }),
  );
});

test.run();
