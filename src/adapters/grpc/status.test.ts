import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TransportError } from "../../contract/errors.ts";
import { codeOfReset, grpcCodes, parseCode, reasonFor } from "./codes.ts";
import {
  decodeGrpcMessage,
  encodeGrpcMessage,
  formatGrpcTimeout,
  outcomeOf,
  parseGrpcTimeout,
  readStatus,
  statusTrailers,
} from "./status.ts";

const test = suite("gRPC status");

test("law: a message that was encoded is plain ASCII and decodes to itself", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const encoded = encodeGrpcMessage(text);
    assert.match(encoded, /^[ -~]*$/);
    assert.is(decodeGrpcMessage(encoded), text);
  }));
});

test("a lone surrogate is encoded all the same, and what is encoded badly stays as it is", () => {
  assert.is(decodeGrpcMessage(encodeGrpcMessage("\ud800!")), "\ufffd!");
  assert.is(decodeGrpcMessage("100% of %zz and %4"), "100% of %zz and %4");
});

test("law: a deadline is never sent shorter than it is, and in at most eight digits", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e15, noNaN: true }), (ms) => {
    const text = formatGrpcTimeout(ms);
    assert.match(text, /^[0-9]{1,8}[HSm]$/);
    const back = parseGrpcTimeout(text)!;
    assert.ok(back >= ms || text === "99999999H", `${ms} became ${text}`);
  }));
});

test("what is no deadline counts as none", () => {
  assert.equal(["", "1", "1x", "123456789m", "-1S", undefined].map(parseGrpcTimeout), Array(6).fill(null));
  assert.equal(["2H", "3M", "4S", "5m", "6000u", "7000000n"].map(parseGrpcTimeout), [7.2e6, 180_000, 4000, 5, 6, 7]);
});

test("an error travels as its code, its message and its reason, and is read as that", () => {
  const error = new TransportError("StaleGeneration", "generation 1 is 50% of 2 – zu alt");
  const status = readStatus({ ...statusTrailers(error), "x-more": "1" });
  assert.equal(status, {
    code: grpcCodes.FailedPrecondition,
    message: error.message,
    reason: "StaleGeneration",
    trailers: { "x-more": "1" },
  });
  assert.equal(readStatus(statusTrailers(null)), { code: 0, message: "", reason: null, trailers: {} });
  assert.is(readStatus({ "grpc-message": "no code" }), null);
});

test("a peer's reason counts only where it is one of ours, and its code only where it is one of gRPC's", () => {
  assert.is(reasonFor(grpcCodes.NotFound, "UnknownStep"), "UnknownStep");
  assert.is(reasonFor(grpcCodes.NotFound, "toString"), "NotFound");
  assert.is(reasonFor(grpcCodes.DataLoss, undefined), "PeerFailed");
  assert.equal(["0", "16", "17", "-1", "1.0", ""].map(parseCode), [0, 16, 2, 2, 2, 2]);
  assert.equal([0x0, 0x7, 0x8, 0xb, 0xc].map(codeOfReset), [13, 14, 1, 8, 7]);
});

test("a failure of our own tells a peer nothing of itself", () => {
  assert.equal(outcomeOf(new Error("secret")), { code: grpcCodes.Internal, message: "internal error" });
});

test.run();
