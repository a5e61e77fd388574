import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isTransportError } from "./errors.ts";
import { envelopeMimeType } from "./names.ts";
import { readEnvelopeFrame, readPacketEnvelope, writeEnvelopeFrame, writePacketEnvelope } from "./packet-envelope.ts";

const test = suite("packet-envelope");

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isTransportError(error, "InvalidPacket")) return error.message;
    throw error;
  }
  return "";
}

test("D-007 the kind is data only with content, the version is v1, a negative time is refused", () => {
  assert.is(writePacketEnvelope({}), '{"version":"v1"}');
  assert.is(writePacketEnvelope({ payload: " [1] " }), '{"version":"v1","kind":"data","payload":[1]}');
  assert.is(
    writePacketEnvelope({ kind: "hook", transports: [{ name: "" }] }),
    '{"version":"v1","kind":"hook","transports":[{"name":""}]}',
  );
  assert.match(refusal(() => writePacketEnvelope({ timestampMs: -1n })), /must not be negative/);
});

test("D-008 a body of no bytes or of more than 10 MiB is refused", () => {
  assert.is(refusal(() => readPacketEnvelope("")), "envelope payload empty");
  const body = new Uint8Array(10_485_761).fill(0x20);
  assert.match(refusal(() => readPacketEnvelope(body)), /exceeds maximum size of 10485760 bytes/);
});

test("a frame gives its time where the envelope has none, and only of the exact MIME type", () => {
  const frame = writeEnvelopeFrame({ payload: "1" });
  assert.is(readEnvelopeFrame({ ...frame, timestampMs: 7n }).timestampMs, 7n);
  assert.is(readEnvelopeFrame({ ...writeEnvelopeFrame({ timestampMs: 5n }), timestampMs: 7n }).timestampMs, 5n);
  assert.match(refusal(() => readEnvelopeFrame({ ...frame, timestampMs: 2n ** 63n })), /exceeds maximum/);
  assert.match(refusal(() => readEnvelopeFrame({ ...frame, mimeType: envelopeMimeType.toUpperCase() })), /mime type/);
});

test("D-006 writing then reading is identity", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 10 }).map((given) => given.toWellFormed());
  const json = fc.jsonValue({ maxDepth: 2 }).map((given) => JSON.stringify(given).toWellFormed());
  const envelope = fc.record({
    version: fc.constantFrom("v1", "v2"),
    kind: fc.constantFrom("data", "hook", "noop"),
    messageId: text,
    timestampMs: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    metadata: fc.dictionary(text, text, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
    payload: json,
    inputs: json,
    transports: fc.array(fc.record({ name: text }, { noNullPrototype: true }), { minLength: 1, maxLength: 3 }),
  }, { noNullPrototype: true });
  fc.assert(fc.property(envelope, (given) => {
    const read = readPacketEnvelope(writePacketEnvelope(given));
    assert.equal({ ...read, payload: parsed(read.payload), inputs: parsed(read.inputs) }, {
      ...given,
      payload: parsed(given.payload),
      inputs: parsed(given.inputs),
    });
  }));
});

function parsed(raw: string | undefined): string {
  return JSON.stringify(JSON.parse(raw ?? "null"));
}

test.run();
