import * as assert from "uvu/assert";
import { suite } from "uvu";
import type { BindingDescription } from "../topology/binding.ts";
import { decided, describe, FakeDecisions } from "../../test/support/fake-decisions.ts";
import { BindingSnapshot } from "./snapshot.ts";
import { BindingEncoder } from "./versioned-binding.ts";

const test = suite("binding snapshot");
const everything = { namespace: "", storyRun: "", step: "" };

function bed(schedule?: (run: () => void) => void) {
  const decisions = new FakeDecisions();
  const put = (namespace: string, run: string, steps: Record<string, string>) =>
    decisions.set(
      decided(
        namespace,
        run,
        Object.entries(steps).map(([step, reason]) => describe(namespace, run, step, { reason })),
      ),
    );
  put("demo", "voice-7", { vad: "1", writer: "1" });
  put("prod", "voice-1", { vad: "1" });
  return { decisions, put, snapshot: new BindingSnapshot(decisions, { schedule }) };
}

const keys = (bindings: Iterable<{ key: string }>) => [...bindings].map(({ key }) => key).sort();

test("a version is the digest of the content, equal on every replica, and stands in the message", () => {
  const encode = (description: BindingDescription) => new BindingEncoder().encode(description);
  const one = encode(describe("demo", "voice-7", "vad"));
  const other = encode({ ...describe("demo", "voice-7", "vad") });
  assert.is(one.version, other.version);
  assert.match(one.version, /^[\w-]{22}$/);
  assert.is(one.message().version, one.version);
  assert.is(one.key, "demo/voice-7-vad-transport");
  const changed = encode(describe("demo", "voice-7", "vad", { hubEndpoint: "127.0.0.1:9001" }));
  assert.is.not(changed.version, one.version);
  for (const field of ["mergedSettings", "effectiveSettings", "transportBinding"] as const) {
    const other = encode(describe("demo", "voice-7", "vad", { [field]: "ä…" }));
    assert.is.not(other.version, one.version);
    assert.is(other.message()[field], "ä…");
    assert.is(encode(describe("demo", "voice-7", "vad", { [field]: "" })).message()[field], "");
  }
});

test("selectors find by any of their fields", () => {
  const { snapshot } = bed();
  const select = (...selectors: Partial<typeof everything>[]) =>
    keys(snapshot.select(selectors.map((selector) => ({ ...everything, ...selector }))));
  const [vad, writer, other] = [
    "demo/voice-7-vad-transport",
    "demo/voice-7-writer-transport",
    "prod/voice-1-vad-transport",
  ];
  assert.equal(select({}), [vad, writer, other]);
  assert.equal(select({ namespace: "demo" }), [vad, writer]);
  assert.equal(select({ namespace: "demo", storyRun: "voice-7", step: "vad" }), [vad]);
  assert.equal(select({ step: "vad" }), [vad, other]);
  assert.equal(select({ storyRun: "voice-1" }, { step: "vad" }), [vad, other]);
  assert.equal(select({ namespace: "demo", storyRun: "voice-1" }), []);
});

test("an edit tells watchers of what it changed, once, and leaves other bindings the same object", async () => {
  const { snapshot, put } = bed();
  const writer = snapshot.find({ namespace: "demo", storyRun: "voice-7", step: "writer" });
  const told: Record<string, string[][]> = { all: [], run: [], vad: [], writer: [], prod: [] };
  const watch = (name: string, selector: Partial<typeof everything>) =>
    snapshot.watch([{ ...everything, ...selector }], (keys) => told[name]!.push([...keys]));
  watch("all", {});
  watch("run", { namespace: "demo", storyRun: "voice-7" });
  const vad = watch("vad", { namespace: "demo", storyRun: "voice-7", step: "vad" });
  watch("writer", { step: "writer" });
  watch("prod", { namespace: "prod" });
  await Promise.resolve();
  for (const name of Object.keys(told)) told[name] = [];
  put("demo", "voice-7", { vad: "2", writer: "1" });
  put("demo", "voice-7", { vad: "3", writer: "1" });
  await Promise.resolve();
  const key = "demo/voice-7-vad-transport";
  assert.equal(told, { all: [[key]], run: [[key]], vad: [[key]], writer: [], prod: [] });
  assert.is(snapshot.find({ namespace: "demo", storyRun: "voice-7", step: "writer" }), writer);
  assert.is(snapshot.get(key)?.message().reason, "3");
  vad.select([{ ...everything, step: "writer" }]);
  put("demo", "voice-7", { writer: "1" });
  await Promise.resolve();
  assert.equal(told.vad, [[key]]);
  assert.equal(told.all, [[key], [key]]);
  assert.is(snapshot.get(key), undefined);
});

test("what is asked for is up to date before the watchers were told", () => {
  const { snapshot, put } = bed(() => {});
  put("demo", "voice-7", { vad: "9" });
  assert.is(snapshot.find({ namespace: "demo", storyRun: "voice-7", step: "vad" })?.message().reason, "9");
  put("demo", "voice-8", { vad: "9" });
  assert.is([...snapshot.select([{ ...everything, namespace: "demo" }])].length, 2);
});

test("a large edit is worked off in slices", () => {
  const due: (() => void)[] = [];
  const { snapshot, put } = bed((run) => due.push(run));
  while (due.length > 0) due.shift()!();
  const seen = new Set<string>();
  snapshot.watch([everything], (keys) => keys.forEach((key) => seen.add(key)));
  for (let n = 0; n < 600; n++) put("load", `run-${n}`, { vad: "1" });
  const sizes: number[] = [];
  while (due.length > 0) {
    due.shift()!();
    sizes.push(seen.size);
  }
  assert.equal(sizes, [256, 512, 600]);
});

test("a run that is over takes its bindings with it, and says so", () => {
  const { snapshot, decisions } = bed();
  const removed: string[] = [];
  let decidedAgain = 0;
  snapshot.onRemoved(({ key }) => removed.push(key));
  const stop = snapshot.onRun("prod", "voice-1", () => decidedAgain++);
  keys(snapshot.select([everything]));
  decisions.remove("prod", "voice-1");
  assert.is(snapshot.find({ namespace: "prod", storyRun: "voice-1", step: "vad" }), undefined);
  assert.equal(removed, ["prod/voice-1-vad-transport"]);
  assert.is(decidedAgain, 2);
  stop();
  decisions.remove("prod", "voice-1");
  assert.is(snapshot.find({ namespace: "prod", storyRun: "voice-1", step: "vad" }), undefined);
  assert.is(decidedAgain, 2);
});

test.run();
