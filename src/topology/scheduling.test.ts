import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Step } from "../contract/resources.ts";
import { admissionFaults } from "./admission.ts";
import { scheduleSteps } from "./scheduling.ts";

const test = suite("scheduling and admission");

const step = (name: string, extra: Partial<Step> = {}): Step => ({ name, ref: { name: "e" }, ...extra });

test("needs and mentions of steps are what a step waits for", () => {
  const { dependencies, error } = scheduleSteps([
    step("a-1"),
    step("b", { needs: ["a-1"], if: '{{ eq (index .steps "a-1").kind "x" }}' }),
    step("c", { with: { text: "{{ steps.a_1.text }} {{ steps['b'].text }} {{ steps.b }}" } }),
    step("d", { runtime: { text: "{{ steps.a_1.text }}" } }),
  ]);
  assert.equal([...dependencies], [["a-1", []], ["b", ["a-1"]], ["c", ["a-1", "b"]], ["d", []]]);
  assert.is(error, null);
});

test("an unknown dependency is named before a circle", () => {
  const steps = [step("a", { needs: ["b"] }), step("b", { needs: ["a", "ghost"] })];
  assert.is(scheduleSteps(steps).error, "unknown step dependencies: b->ghost");
  const circle = [step("a", { needs: ["b"] }), step("b", { needs: ["a"] })];
  assert.is(scheduleSteps(circle).error, "dependency cycle detected involving step(s): a, b");
});

test("admission names the first fault of each kind", () => {
  const story = {
    kind: "Story" as const,
    metadata: { name: "voice" },
    spec: {
      transports: [{ name: "rt", transportRef: "speech" }],
      steps: [step("a", { needs: ["ghost"] }), step("b", { needs: ["b"] }), step("c", { transport: "nope" })],
      compensations: [step("undo", { needs: ["a"] })],
      finally: [step("end", { needs: ["undo", "later"] })],
    },
  };
  assert.equal(admissionFaults(story), [
    "step 'a' lists unknown dependency 'ghost' in needs",
    "step 'b' cannot depend on itself",
    "step 'c' references unknown transport \"nope\"",
  ]);
});

test("a circle among finally steps is refused with its list", () => {
  const story = {
    kind: "Story" as const,
    metadata: { name: "voice" },
    spec: { steps: [step("a")], finally: [step("x", { needs: ["y"] }), step("y", { needs: ["x"] })] },
  };
  assert.equal(admissionFaults(story), ["spec.finally contains a dependency cycle involving step(s): x, y"]);
});

test.run();
