import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { FairQueue, urgentInARow } from "./fair-queue.ts";

const fair = suite("fair queue");

const groupOf = (key: string) => key.slice(0, key.indexOf("/"));

function drain(queue: FairQueue): string[] {
  const taken: string[] = [];
  for (let key = queue.take(); key !== null; key = queue.take()) taken.push(key);
  return taken;
}

fair("groups have their turns, and keys of a group the order in which they came", () => {
  const queue = new FairQueue(groupOf);
  for (const key of ["a/1", "a/2", "a/3", "b/1", "c/1", "b/2"]) queue.add(key, false);
  assert.equal(drain(queue), ["a/1", "b/1", "c/1", "a/2", "b/2", "a/3"]);
});

fair("a single key of a group waits behind one key of a group of a thousand", () => {
  const queue = new FairQueue(groupOf);
  for (let i = 0; i < 1000; i++) queue.add(`big/${i}`, false);
  queue.add("small/1", false);
  assert.is(drain(queue).indexOf("small/1"), 1);
});

fair("urgent keys go first, and others still have a turn after every eighth", () => {
  const queue = new FairQueue(groupOf);
  for (let i = 0; i < 100; i++) queue.add(`a/${i}`, true);
  for (const key of ["b/1", "b/2"]) queue.add(key, false);
  const taken = drain(queue);
  assert.is(taken.indexOf("b/1"), urgentInARow);
  assert.is(taken.indexOf("b/2"), 2 * urgentInARow + 1);
});

fair(
  "whatever is added and taken, no key is lost, none comes twice, and none waits behind its own group's later ones",
  () => {
    const step = fc.oneof(
      fc.record({ key: fc.constantFrom("a/1", "a/2", "b/1", "b/2", "c/1"), urgent: fc.boolean() }),
      fc.constant("take" as const),
    );
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new FairQueue(groupOf);
      const waiting = new Map<string, { at: number; urgent: boolean }>();
      steps.forEach((each, at) => {
        if (each !== "take") {
          queue.add(each.key, each.urgent);
          const known = waiting.get(each.key);
          if (known === undefined || (each.urgent && !known.urgent)) waiting.set(each.key, { at, urgent: each.urgent });
          return;
        }
        const key = queue.take();
        if (key === null) return assert.is(waiting.size, 0);
        const own = waiting.get(key);
        assert.ok(own, `${key} was not waiting`);
        for (const [other, { at, urgent }] of waiting) {
          const isBefore = other !== key && groupOf(other) === groupOf(key) && urgent === own.urgent && at < own.at;
          assert.not(isBefore, `${other} came before ${key}`);
        }
        waiting.delete(key);
      });
      assert.is(queue.size, waiting.size);
      assert.equal(drain(queue).sort(), [...waiting.keys()].sort());
    }));
  },
);

fair.run();
