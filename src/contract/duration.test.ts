import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatGoDuration, parseGoDuration, positiveDurationMs } from "./duration.ts";

const test = suite("duration");

test("a Go duration is read to the nanosecond", () => {
  assert.is(parseGoDuration("250ms"), 250_000_000n);
  assert.is(parseGoDuration("1h1m1s1ms1us1ns"), 3_661_001_001_001n);
  assert.is(parseGoDuration("-1.5s"), -1_500_000_000n);
  assert.is(parseGoDuration(".5m"), 30_000_000_000n);
  assert.is(parseGoDuration("0"), 0n);
});

test("what Go refuses is refused", () => {
  for (const text of ["", "5", "soon", "1 s", "1d", ".s", "-", "9223372036854775808ns", "300000000h"]) {
    assert.is(parseGoDuration(text), null, text);
  }
});

test("a duration is written as Go writes it", () => {
  assert.is(formatGoDuration(0n), "0s");
  assert.is(formatGoDuration(90_000_000_000n), "1m30s");
  assert.is(formatGoDuration(3_600_000_000_000n), "1h0m0s");
  assert.is(formatGoDuration(1_500n), "1.5µs");
  assert.is(formatGoDuration(-250_000_000n), "-250ms");
});

test("only a positive duration has milliseconds", () => {
  assert.is(positiveDurationMs(" 1.5ms "), 1.5);
  assert.is(positiveDurationMs("0s"), null);
  assert.is(positiveDurationMs("-1s"), null);
});

test("writing then reading is identity", () => {
  fc.assert(fc.property(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }), (nanoseconds) => {
    // Above 18 digits of a fraction Go itself rounds; its own text never has more than nine.
    assert.is(parseGoDuration(formatGoDuration(nanoseconds)), nanoseconds);
  }));
});

test.run();
