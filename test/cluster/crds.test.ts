/** Our development CRDs on a real API server: what they refuse, and that what they keep is all that others read. */
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Api, ApiError, openApi, pathOf } from "../support/apiserver/api.ts";
import { type Bed, startBed, testOnCluster } from "../support/apiserver/bed.ts";
import { objectsOf } from "../support/manifests.ts";
import { root } from "../support/tools.ts";

const it = suite("development CRDs");

let bed: Bed | null = null;

/** A cluster with ours, also where others are at hand. */
async function opened(): Promise<Api> {
  process.env["BOBRAVOZ_TEST_CRDS"] = join(root, "manifests", "crds");
  bed ??= await startBed();
  return openApi(bed.kubeconfig);
}

it.after(async () => await bed?.[Symbol.asyncDispose]());

const story = (spec: object) => ({ apiVersion: "bubustack.io/v1alpha1", kind: "Story", spec });
const step = { name: "one", ref: { name: "engram" } };
const binding = (spec: object) => ({
  apiVersion: "transport.bubustack.io/v1alpha1",
  kind: "TransportBinding",
  spec: { transportRef: "t", stepName: "s", engramName: "e", driver: "d", ...spec },
});
const streaming = (streaming: object) =>
  story({ steps: [step], transports: [{ name: "a", transportRef: "t", streaming }] });

/** What is refused, and why, in the API server's words. */
const refused: readonly (readonly [what: string, object: object, message: RegExp])[] = [
  ["no steps", story({ steps: [] }), /should have at least 1 items/],
  ["two steps of one name", story({ steps: [step, step] }), /step names must be unique/],
  ["neither ref nor type", story({ steps: [{ name: "one" }] }), /each step must set exactly one of ref or type/],
  ["both", story({ steps: [{ ...step, type: "stop" }] }), /each step must set exactly one of ref or type/],
  ["a pattern of old", story({ pattern: "streaming", steps: [step] }), /Unsupported value: "streaming"/],
  ["a name with a dot", story({ steps: [{ ...step, name: "a.b" }] }), /should match/],
  ["a percentage above 100", streaming({ recording: { sampleRate: 101 } }), /less than or equal to 100/],
  ["an unknown mode", streaming({ routing: { mode: "mesh" } }), /Unsupported value: "mesh"/],
  ["a lane without a kind", streaming({ lanes: [{ name: "a" }] }), /kind: Required value/],
  ["a binding without a driver", binding({ driver: "" }), /should be at least 1 chars/],
  ["a codec of nobody", binding({ audio: { direction: "publish", codecs: [{ name: "tape" }] } }), /"tape"/],
];

testOnCluster(it, "a manifest against the rules of the contract is refused, with the rule's words", async () => {
  using api = await opened();
  const namespace = await api.namespace("refused");
  for (const [what, object, message] of refused) {
    try {
      await api.create({ ...object, metadata: { name: "it", namespace } });
      assert.unreachable(`${what} was accepted`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      assert.is(error.status, 422, what);
      assert.match(error.message, message, what);
    }
  }
});

testOnCluster(
  it,
  "conditions are bounded as the status of runs asks, and a fresh StepRun needs its retries",
  async () => {
    using api = await opened();
    const namespace = await api.namespace("conditions");
    const run = {
      apiVersion: "runs.bubustack.io/v1alpha1",
      kind: "StoryRun",
      metadata: { name: "run", namespace },
      spec: { storyRef: { name: "story" } },
    };
    const step = { ...run, kind: "StepRun", spec: { storyRunRef: { name: "run" }, stepId: "one" } };
    await api.create(run);
    await api.create(step);
    const condition = (more: object) => ({
      type: "Ready",
      status: "True",
      reason: "Fine",
      message: "",
      lastTransitionTime: "2026-01-01T00:00:00Z",
      ...more,
    });
    const cases = [
      [run, { conditions: [condition({ reason: "R".repeat(65) })] }, /reason field must be <= 64/],
      [run, { conditions: [condition({ message: "m".repeat(2049) })] }, /message field must be <= 2048/],
      [run, { conditions: [condition({ type: "TransportReady" })] }, /must include Ready/],
      [step, { phase: "Running" }, /status.retries: Required value/],
      [step, { retries: 0, conditions: [condition({ message: "m".repeat(2049) })] }, /must be <= 2048/],
    ] as const;
    for (const [object, status, message] of cases) {
      try {
        await api.apply({ ...object, status }, "test", "status");
        assert.unreachable(`${message} was accepted`);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        assert.match(error.message, message);
      }
    }
    await api.apply({ ...run, status: { conditions: [condition({ message: "m".repeat(2048) })] } }, "test", "status");
    await api.apply({ ...step, status: { retries: 0 } }, "test", "status");
  },
);

testOnCluster(it, "the samples are kept as they are written, free parts and fields of others included", async () => {
  using api = await opened();
  await api.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "bobravoz-demo" } }, "test");
  const rich = {
    ...story({
      steps: [{ ...step, with: { any: [{ thing: null }] }, runtime: { text: "{{ .packet.text }}" } }],
      policy: { timeouts: { story: "1h" }, retries: { continueOnStepFailure: true } },
      transports: [{ name: "a", transportRef: "t", settings: { env: { A: "1" } } }],
    }),
    metadata: { name: "rich", namespace: "bobravoz-demo" },
  };
  for (const object of [...objectsOf("samples").filter(({ kind }) => kind !== "Namespace"), rich]) {
    // a field that the schema lacks is refused here, not dropped
    const sent = object as Parameters<typeof pathOf>[0];
    const { spec } = await api.post(`${pathOf(sent, false)}?fieldValidation=Strict`, object);
    assert.equal(spec, { ...spec, ...sent["spec"] }, sent.metadata.name);
  }
});

testOnCluster(it, "runs and bindings are selected by the fields by which controllers select them", async () => {
  using api = await opened();
  const namespace = await api.namespace("selected");
  for (const run of ["a", "b"]) {
    const metadata = { name: run, namespace };
    await api.create({ ...binding({ storyRunRef: { name: run } }), metadata });
    const object = { apiVersion: "runs.bubustack.io/v1alpha1", kind: "StoryRun", metadata };
    await api.create({ ...object, spec: { storyRef: { name: run } } });
    await api.apply({ ...object, status: { phase: run === "a" ? "Running" : "Pending" } }, "test", "status");
  }
  const names = async (group: string, plural: string, field: string) => {
    const path = `/apis/${group}.bubustack.io/v1alpha1/namespaces/${namespace}/${plural}?fieldSelector=${field}`;
    return (await api.list(path)).map(({ metadata }) => metadata.name);
  };
  assert.equal(await names("transport", "transportbindings", "spec.storyRunRef.name%3Db"), ["b"]);
  assert.equal(await names("transport", "transportbindings", "spec.transportRef%3Dt"), ["a", "b"]);
  assert.equal(await names("runs", "storyruns", "status.phase%3DRunning"), ["a"]);
  assert.equal(await names("runs", "storyruns", "spec.storyRef.name%3Db"), ["b"]);
});

it.run();
