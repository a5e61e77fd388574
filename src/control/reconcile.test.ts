import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { engram, story, storyRun, transport } from "../../test/support/objects.ts";
import type { Condition, JsonObject, Resource } from "../contract/resources.ts";
import { transition } from "./conditions.ts";
import { connectorConditions, decideRun } from "./decisions.ts";
import { reconcile, type Write } from "./reconcile.ts";
import { MemoryWorld } from "./world.ts";

const reconciling = suite("reconcile");

const now = "2026-01-01T00:00:00Z";
const options = { hubEndpoint: () => "127.0.0.1:9000" };

/** A world with a run of a Story of these steps. */
function worldOf(steps: readonly string[]): MemoryWorld {
  const world = new MemoryWorld();
  const objects: Resource[] = [transport("speech"), ...["a", "b", "c", "d"].map((name) => engram(name))];
  const run = storyRun("voice-1", "voice");
  objects.push(story("voice", steps), { ...run, metadata: { ...run.metadata, uid: "1" } });
  for (const object of objects) world.upsert(object);
  return world;
}

/** Does a write to the world the way an API server would, as far as reconcile can tell. */
function perform(world: MemoryWorld, write: Write): void {
  switch (write.type) {
    case "create":
    case "replace": {
      const known = world.get("TransportBinding", "demo", write.object.metadata.name);
      world.upsert({ ...known, ...write.object });
      return;
    }
    case "delete":
      return world.remove(write.kind, write.namespace, write.name);
    case "status": {
      const known = world.get(write.kind, write.namespace, write.name);
      if (known === undefined) throw new Error(`status of ${write.name}, which does not exist`);
      const { conditions = [], ...rest } = write.status as { conditions?: Condition[] } & JsonObject;
      const before = ((known.status as { conditions?: Condition[] } | undefined)?.conditions ?? [])
        .filter(({ type }) => !conditions.some((condition) => condition.type === type));
      // What the controller applied before and leaves out now goes; connectors write other fields.
      const { endpoint: _e, upstreamHost: _u, downstreamHost: _d, ...others } = (known.status ?? {}) as JsonObject;
      const status = { ...others, ...rest, conditions: [...before, ...conditions] };
      return world.upsert({ ...known, status } as Resource);
    }
    default:
      write satisfies never;
  }
}

/** Reconciles until nothing is to be written; the writes of each pass. */
function settle(world: MemoryWorld, alone = true): Write[][] {
  const passes: Write[][] = [];
  for (let pass = 0; pass < 5; pass++) {
    const decision = decideRun(world, "demo", "voice-1", options);
    const writes = decision === null ? [] : [...reconcile(world, decision, { now, alone }).writes];
    if (writes.length === 0) return passes;
    passes.push(writes);
    for (const write of writes) perform(world, write);
  }
  throw new Error(`still writing after 5 passes: ${JSON.stringify(passes.at(-1))}`);
}

const edges = fc.uniqueArray(
  fc.constantFrom(...["b[a]", "c[a]", "c[b]", "d[a]", "d[b]", "d[c]"]),
  { selector: (text) => text[0], maxLength: 3 },
);

/** Steps a to d of which some need an earlier one. */
function stepsOf(needs: readonly string[]): string[] {
  const texts = new Map(needs.map((text) => [text[0]!, text]));
  return ["a", "b", "c", "d"].map((name) => texts.get(name) ?? name);
}

reconciling("whatever the Story becomes, writing comes to an end and names each binding once", () => {
  fc.assert(fc.property(fc.array(edges, { minLength: 1, maxLength: 4 }), (versions) => {
    const world = worldOf(stepsOf(versions[0]!));
    for (const needs of versions) {
      world.upsert(story("voice", stepsOf(needs)));
      settle(world);
      assert.equal(
        world.bindingsOfRun("demo", "voice-1").map(({ spec }) => spec.stepName),
        ["a", "b", "c", "d"],
      );
      const decision = decideRun(world, "demo", "voice-1", options)!;
      assert.equal(reconcile(world, decision, { now: "later", alone: true }).writes, []);
    }
  }));
});

reconciling("TransportReady comes after the addresses, Ready once and under a manager of its own (R-12b)", () => {
  const world = worldOf(["a", "b[a]"]);
  const [first, second, ...more] = settle(world);
  const managers = (writes: Write[] | undefined) =>
    writes?.flatMap((write) => write.type === "status" && write.kind === "StoryRun" ? [write.manager] : []);
  assert.equal(managers(first), []);
  assert.equal(managers(second), ["bobravoz-ready", "bobravoz-controller"]);
  assert.is(more.length, 0);
});

reconciling("C-064 Ready of another writer is not changed", () => {
  const world = worldOf(["a", "b[a]"]);
  const run = world.get("StoryRun", "demo", "voice-1")!;
  const ready = transition([], { type: "Ready", status: "False", reason: "Running", message: "" }, now);
  world.upsert({ ...run, status: { conditions: [ready] } });
  settle(world);
  const conditions = world.get("StoryRun", "demo", "voice-1")?.status?.conditions;
  assert.equal(conditions?.find(({ type }) => type === "Ready"), ready);
  assert.is(conditions?.find(({ type }) => type === "TransportReady")?.status, "True");
});

reconciling("C-055 a connector's heartbeat that moves only a time causes no write", () => {
  const world = worldOf(["a", "b[a]"]);
  settle(world);
  for (const lastTransitionTime of ["t1", "t2"]) {
    const known = world.get("TransportBinding", "demo", "voice-1-a-transport")!;
    const conditions = known.status!.conditions!.filter(({ type }) => type !== connectorConditions.ready);
    const beat = { type: connectorConditions.ready, status: "True", reason: "TransportReady", message: "" } as const;
    const status = { ...known.status, conditions: [...conditions, { ...beat, lastTransitionTime }] };
    world.upsert({ ...known, status });
    assert.equal(settle(world), []);
  }
});

reconciling(
  "a binding of ours belongs to the StepRun where there is one, else to the run without the controller's slot (X-05, C-049)",
  () => {
    const world = worldOf(["a", "b[a]"]);
    world.upsert({
      kind: "StepRun",
      metadata: { name: "voice-1-a", namespace: "demo", uid: "7" },
      spec: { storyRunRef: { name: "voice-1" }, stepId: "a" },
    });
    settle(world);
    const ownerOf = (name: string) => world.get("TransportBinding", "demo", name)?.metadata.ownerReferences;
    assert.equal(ownerOf("voice-1-a-transport"), [{
      apiVersion: "runs.bubustack.io/v1alpha1",
      kind: "StepRun",
      name: "voice-1-a",
      uid: "7",
      controller: true,
      blockOwnerDeletion: true,
    }]);
    assert.equal(ownerOf("voice-1-b-transport"), [{
      apiVersion: "runs.bubustack.io/v1alpha1",
      kind: "StoryRun",
      name: "voice-1",
      uid: "1",
    }]);
  },
);

reconciling("where others may make bindings, nothing is created and nothing said of the run", () => {
  const world = worldOf(["a", "b[a]"]);
  assert.equal(settle(world, false), []);
});

reconciling.run();
