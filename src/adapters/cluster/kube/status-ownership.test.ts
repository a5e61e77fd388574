import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JsonObject } from "../../../contract/resources.ts";
import { isApplied, type ManagedFields, statusOwners } from "./status-ownership.ts";

const it = suite("status ownership");

const condition = (type: string, status = "True"): JsonObject => ({ type, status, reason: "Any", message: "" });
const conditionFields = { ".": {}, "f:type": {}, "f:status": {}, "f:reason": {}, "f:message": {} };
const owned: JsonObject = {
  "f:conditions": { 'k:{"type":"EndpointResolved"}': conditionFields },
  "f:endpoint": {},
};
const current: JsonObject = { endpoint: "hub:9000", conditions: [condition("Ready"), condition("EndpointResolved")] };
const wanted: JsonObject = { endpoint: "hub:9000", conditions: [condition("EndpointResolved")] };

it("C-054 what is there and ours is not applied again", () => {
  assert.ok(isApplied(current, owned, wanted));
});

it("another value, a field more, a field less and one that is not ours are applied", () => {
  assert.not(isApplied(current, owned, { ...wanted, endpoint: "hub:9001" }));
  assert.not(isApplied(current, owned, { ...wanted, upstreamHost: "a" }));
  assert.not(isApplied(current, owned, { endpoint: "hub:9000" }));
  assert.not(isApplied(current, owned, { conditions: wanted["conditions"]! }));
  assert.not(isApplied(current, owned, { ...wanted, conditions: [condition("EndpointResolved", "False")] }));
  assert.not(isApplied(current, owned, { ...wanted, conditions: [condition("EndpointResolved"), condition("Ready")] }));
  assert.not(isApplied(current, { "f:endpoint": {} }, wanted));
  assert.not(isApplied(current, undefined, wanted));
});

it("a condition that another writer removed is applied again", () => {
  assert.not(isApplied({ ...current, conditions: [condition("Ready")] }, owned, wanted));
});

it("objects are compared field by field, and as a whole where the schema says so", () => {
  const value = { a: 1, b: 2 };
  assert.ok(isApplied({ x: value }, { "f:x": { "f:a": {} } }, { x: { a: 1 } }));
  assert.not(isApplied({ x: value }, { "f:x": { "f:a": {}, "f:b": {} } }, { x: { a: 1 } }));
  assert.not(isApplied({ x: value }, { "f:x": {} }, { x: { a: 1 } }));
  assert.ok(isApplied({ x: value }, { "f:x": {} }, { x: value }));
});

it("only applies to the status by our managers are looked at", () => {
  const entry = (more: object): ManagedFields => ({
    manager: "bobravoz-controller",
    operation: "Apply",
    subresource: "status",
    fieldsV1: { "f:status": owned },
    ...more,
  });
  const owners = statusOwners([
    entry({}),
    entry({ manager: "bobrapet" }),
    entry({ manager: "bobravoz-ready", operation: "Update" }),
    { manager: "bobravoz-connector", operation: "Apply", fieldsV1: { "f:spec": {} } },
  ], "bobravoz-");
  assert.equal([...owners.keys()], ["bobravoz-controller"]);
});

it.run();
