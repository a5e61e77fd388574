import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeClock, settle } from "../../../test/support/fake-clock.ts";
import { delivery, FakePlans, plan } from "../../../test/support/fake-plans.ts";
import { TransportError } from "../../contract/errors.ts";
import type { IdentityGate } from "./gate.ts";
import { placedGate } from "./placed-gate.ts";

const it = suite("placed gate");

const claim = { action: "stream", namespace: "demo", storyRun: "run", step: "a" } as const;

function bed(gate: IdentityGate | null = null) {
  const clock = new FakeClock();
  const plans = new FakePlans(null);
  const tested = placedGate(gate, plans, clock);
  return { clock, plans, check: (more: object = {}) => tested.check({ ...claim, ...more }, null, null) };
}

it("a stream waits for its run to be placed here, at most 150 ms, and one that is here or asks discovery does not", async () => {
  const { clock, plans, check } = bed();
  assert.is(check(), undefined);
  plans.place("nobody", null);
  let passed = 0;
  for (let stream = 0; stream < 3; stream++) void check()?.then(() => passed++);
  await clock.stepAsync(100);
  plans.place({ owner: "hub-1" }, null);
  await settle();
  assert.is(passed, 0);
  plans.place("here", plan(["a>b"], delivery(1)));
  await settle();
  assert.equal([passed, clock.pending], [3, 0]);
  plans.place({ owner: "hub-1" }, null);
  void check()?.then(() => passed++);
  assert.is(check({ action: "read" }), undefined);
  await clock.stepAsync(149);
  assert.is(passed, 3);
  await clock.stepAsync(1);
  assert.equal([passed, clock.pending], [4, 0]);
});

it("who is refused is refused at once, whoever holds the run", async () => {
  const refusal = new TransportError("PermissionDenied", "identity refused");
  const refusing = bed({ check: () => Promise.reject(refusal), counts: () => [] });
  refusing.plans.place("nobody", null);
  const error = await Promise.resolve(refusing.check()).then(() => null, (error: unknown) => error);
  assert.is(error, refusal);
  assert.is(refusing.clock.pending, 0);
});

it.run();
