import { suite } from "uvu";
import * as assert from "uvu/assert";
import { conditionOf, isTrue, timeText, transition } from "./conditions.ts";

const conditions = suite("conditions");

const ready = {
  type: "Ready",
  status: "True",
  reason: "TransportReady",
  message: "a",
  lastTransitionTime: "t1",
} as const;

conditions("the time moves when the status changes and never else (B-54)", () => {
  const { lastTransitionTime: _, ...finding } = ready;
  assert.is(transition([ready], { ...finding, message: "b" }, "t2").lastTransitionTime, "t1");
  assert.is(transition([ready], { ...finding, status: "False" }, "t2").lastTransitionTime, "t2");
  assert.is(transition(undefined, finding, "t2").lastTransitionTime, "t2");
});

conditions("C-063 messages are cut to 2048 characters, reasons to 64", () => {
  const long = transition([], { ...ready, reason: "R".repeat(80), message: "m".repeat(3000) }, "t");
  assert.is(long.reason.length, 64);
  assert.is(long.message.length, 2048);
  const pair = transition([], { ...ready, message: "m".repeat(2046) + "😀😀" }, "t").message;
  assert.ok(pair.length <= 2048);
  assert.is(pair, pair.toWellFormed());
});

conditions("a condition is found by its type", () => {
  assert.is(conditionOf([ready], "Ready"), ready);
  assert.ok(isTrue([ready], "Ready"));
  assert.not(isTrue([ready], "TransportReady"));
  assert.not(isTrue(undefined, "Ready"));
  assert.is(timeText(0), "1970-01-01T00:00:00Z");
});

conditions.run();
