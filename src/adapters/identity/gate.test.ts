import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isTransportError } from "../../contract/errors.ts";
import type { Claim, IdentityMode } from "../../contract/identity.ts";
import { type Log, silentLog } from "../../contract/runtime.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { identityGate } from "./gate.ts";

const test = suite("identity gate");

const claim: Claim = { action: "stream", namespace: "demo", storyRun: "run", step: "a", generation: 3 };

function gate(mode: IdentityMode | (() => IdentityMode)) {
  const clock = new FakeClock();
  const lines: Record<string, unknown>[] = [];
  const log: Log = { ...silentLog, warn: (message, fields) => lines.push({ message, ...fields }) };
  const reviewer = { review: () => Promise.resolve("refused" as const) };
  return { clock, lines, gate: identityGate({ surface: "hub", mode, reviewer, clock, log }) };
}

test("a mode that changes while the program runs counts from the next call on", () => {
  let mode: IdentityMode = "off";
  const { gate: tested } = gate(() => mode);
  tested.check(claim, null, undefined);
  mode = "observe";
  tested.check(claim, null, undefined);
  mode = "enforce";
  assert.throws(() => tested.check(claim, null, undefined), /identity refused/);
  assert.equal(tested.counts(), [
    { surface: "hub", mode: "observe", reason: "NoProof", count: 1 },
    { surface: "hub", mode: "enforce", reason: "NoProof", count: 1 },
  ]);
});

test("lines of one reason come every 10 s at most, with the number of those left out", () => {
  const { clock, lines, gate: tested } = gate("observe");
  for (let n = 0; n < 100; n++) tested.check(claim, null, undefined);
  assert.is(lines.length, 1);
  clock.step(10_000);
  tested.check(claim, null, undefined);
  const { namespace, storyRun, step, generation, reason, omitted } = lines[1]!;
  assert.equal([namespace, storyRun, step, generation, reason, omitted], ["demo", "run", "a", 3, "NoProof", 99]);
});

test("an authorization that is no bearer token is a wrong token", () => {
  const { gate: tested } = gate("observe");
  for (const text of ["Basic eDp5", "Bearer", "Bearer a b", "token"]) tested.check(claim, null, text);
  for (const text of ["", " ", null, undefined]) tested.check(claim, null, text);
  assert.equal(tested.counts().map(({ reason, count }) => [reason, count]), [["RefusedToken", 4], ["NoProof", 4]]);
});

test("while it is not known what is to be checked, calls wait, for 5 s at most", async () => {
  const clock = new FakeClock();
  const known = Promise.withResolvers<void>();
  let mode: IdentityMode = "observe";
  const tested = identityGate({
    surface: "hub",
    mode: () => mode,
    known: known.promise,
    reviewer: { review: () => Promise.resolve("refused") },
    clock,
    log: silentLog,
  });
  const outcome = () => Promise.resolve(tested.check(claim, null, undefined)).then(() => "accepted", reasonOf);
  const [early, late] = [outcome(), outcome()];
  clock.step(4_999);
  const waits = outcome();
  clock.step(1);
  assert.equal(await Promise.all([early, late]), ["Unavailable", "Unavailable"]);
  mode = "enforce";
  known.resolve();
  assert.is(await waits, "PermissionDenied");
  assert.throws(() => tested.check(claim, null, undefined), /identity refused/);
});

function reasonOf(error: unknown): string {
  return isTransportError(error) ? error.reason : String(error);
}

test.run();
