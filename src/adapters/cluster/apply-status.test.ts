import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import type { JsonObject } from "../../contract/resources.ts";
import { sameJson } from "../../contract/same-json.ts";
import { applyStatus } from "./apply-status.ts";

const apply = suite("apply status");

const ready = { type: "Ready", status: "True", reason: "TransportReady", message: "", lastTransitionTime: "t1" };
const resolved = { ...ready, type: "EndpointResolved" };
const nobody = new Map<string, ReadonlySet<string>>();

apply("conditions of two managers merge by type (C-052)", () => {
  const first = applyStatus(undefined, nobody, "controller", { endpoint: "hub:9000", conditions: [resolved] });
  const second = applyStatus(first.status, first.owners, "connector", { conditions: [ready] });
  assert.equal(second.status, { endpoint: "hub:9000", conditions: [resolved, ready] });
  assert.ok(second.changed);
});

apply("fields that a manager leaves out are removed, those of others stay", () => {
  const first = applyStatus(undefined, nobody, "a", { endpoint: "x", upstreamHost: "y", conditions: [resolved] });
  const second = applyStatus(first.status, first.owners, "b", { negotiatedBinary: "z", conditions: [ready] });
  const third = applyStatus(second.status, second.owners, "a", { endpoint: "x" });
  assert.equal(third.status, { endpoint: "x", negotiatedBinary: "z", conditions: [ready] });
});

apply("a field that two managers own stays when one of them leaves it out", () => {
  const first = applyStatus(undefined, nobody, "a", { endpoint: "x" });
  const second = applyStatus(first.status, first.owners, "b", { endpoint: "x" });
  assert.not(second.changed);
  const third = applyStatus(second.status, second.owners, "a", {});
  assert.equal(third.status, { endpoint: "x" });
  assert.equal(applyStatus(third.status, third.owners, "b", {}).status, {});
});

apply("another value takes the field over", () => {
  const first = applyStatus(undefined, nobody, "a", { endpoint: "x" });
  const second = applyStatus(first.status, first.owners, "b", { endpoint: "y" });
  assert.equal(second.status, { endpoint: "y" });
  assert.not(applyStatus(second.status, second.owners, "a", {}).changed, "a does not own the field any more");
});

apply("the same apply again changes nothing (C-054)", () => {
  const key = fc.constantFrom("endpoint", "upstreamHost", "observedGeneration");
  const status = fc.record({
    fields: fc.dictionary(key, fc.oneof(fc.string(), fc.integer())),
    conditions: fc.uniqueArray(fc.constantFrom("Ready", "EndpointResolved", "PeerListening")),
  }).map(({ fields, conditions }): JsonObject => ({
    ...fields,
    conditions: conditions.map((type) => ({ ...ready, type })),
  }));
  const step = fc.tuple(fc.constantFrom("a", "b"), status);
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
    let current: JsonObject | undefined;
    let owners: ReadonlyMap<string, ReadonlySet<string>> = nobody;
    for (const [manager, wanted] of steps) {
      const next = applyStatus(current, owners, manager, wanted);
      const again = applyStatus(next.status, next.owners, manager, wanted);
      assert.not(again.changed);
      assert.ok(sameJson(again.status, next.status));
      for (const [name, value] of Object.entries(wanted)) {
        if (name !== "conditions") assert.is(next.status[name], value);
      }
      current = next.status;
      owners = next.owners;
    }
  }));
});

apply.run();
