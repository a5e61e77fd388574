import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Engram, JsonObject, Step, Story, Transport } from "../contract/resources.ts";
import { decide } from "../topology/decide.ts";
import type { TopologyInput } from "../topology/decide.ts";
import { compilePlan, maxDownstreamsCap, refusals } from "./compile.ts";
import type { RunPlan } from "./plan.ts";

const test = suite("compile");

interface Scene {
  readonly streaming?: JsonObject;
  readonly transport?: Partial<Transport["spec"]>;
  readonly concurrency?: JsonObject;
  readonly job?: string;
  readonly listening?: boolean;
}

function inputOf(steps: readonly Step[], scene: Scene = {}): TopologyInput {
  const { streaming, concurrency } = scene;
  const story: Story = {
    kind: "Story",
    metadata: { name: "voice", generation: 4 },
    spec: {
      pattern: "realtime",
      steps,
      transports: [{ name: "rt", transportRef: "speech", ...(streaming ? { streaming } : {}) }, {
        name: "other",
        transportRef: "speech",
      }],
      ...(concurrency ? { concurrency } : {}),
    },
  };
  const spec = { provider: "bobravoz", driver: "bobravoz-grpc", supportedBinary: ["a/b"], ...scene.transport };
  return {
    story,
    storyRun: "run",
    namespace: "demo",
    transport: (name) => name === "speech" ? { kind: "Transport", metadata: { name }, spec } : undefined,
    engram: ({ name }): Engram => ({
      kind: "Engram",
      metadata: { name },
      spec: { templateRef: { name: "t" }, mode: name === scene.job ? "job" : "deployment" },
    }),
    presence: () => ({
      reported: true,
      listener: scene.listening ? { endpoint: "127.0.0.1:7000", serverName: "" } : null,
    }),
  };
}

function compile(steps: readonly Step[], scene: Scene = {}): RunPlan {
  const input = inputOf(steps, scene);
  return compilePlan(input, decide(input));
}

function step(name: string, needs?: readonly string[], extra: Partial<Step> = {}): Step {
  return { name, ref: { name }, ...(needs ? { needs } : {}), ...extra };
}

function targets(plan: RunPlan, of: string): readonly string[] {
  return plan.steps.get(of)!.targets.map((target) => `${target.step} ${target.mode}`);
}

test("D-027 explicit needs and implicit followers are the targets, along the graph and not the list", () => {
  const other = { transport: "other" };
  const plan = compile([step("c", ["b"]), step("b", ["a"]), step("a"), step("x"), step("y", undefined, other)]);
  assert.is(plan.refusal, null);
  // Listed backwards: a reaches b all the same. x follows all before it; a follows nobody, since they wait for it.
  assert.equal(targets(plan, "a"), ["b hub", "x hub"]);
  assert.equal(targets(plan, "b"), ["c hub", "x hub"]);
  assert.equal(targets(plan, "c"), ["x hub"]);
  assert.equal(targets(plan, "x"), []);
  assert.equal(targets(plan, "y"), []);
});

test("D-027 a step that another target needs comes before it, else list order stays", () => {
  const plan = compile([step("a"), step("z", ["a"]), step("m", ["a"]), step("b", ["a"])]);
  assert.equal(targets(plan, "a"), ["z hub", "m hub", "b hub"]);
  const backwards = compile([step("late", ["early"]), step("a"), step("w"), step("early", ["a"]), step("k", ["a"])]);
  assert.equal(targets(backwards, "a"), ["w hub", "early hub", "k hub"]);
});

test("a direct edge in fact is a p2p target, which the hub does not serve", () => {
  assert.equal(targets(compile([step("a"), step("b", ["a"])], { listening: true }), "a"), ["b p2p"]);
  assert.equal(targets(compile([step("a"), step("b", ["a"])]), "a"), ["b hub"]);
});

test("several senders of one direct edge are supported, a join is not", () => {
  const direct = compile([
    step("a"),
    step("b", ["a"]),
    step("x", undefined, { transport: "other" }),
    step("c", ["b", "x"]),
  ]);
  assert.is(direct.refusal, null);
  assert.equal(targets(direct, "x"), ["c hub"]);
  const join = compile([step("a"), step("b", ["a"]), step("c", ["a", "b"])]);
  assert.is(
    join.refusal?.message,
    "spec.steps[2].needs that join a, b is not supported by this version, only one, or several that all send directly",
  );
  assert.is(join.steps.size, 0);
});

test("a literal with replaces the inputs of its step", () => {
  const plan = compile([step("a"), step("b", ["a"], { with: { voice: "low" } }), step("c", ["a"], { with: {} })]);
  assert.equal(plan.steps.get("a")!.targets.map((target) => target.inputs), [{ voice: "low" }, {}]);
});

test("targets are limited by the transport of the source, and by the cap", () => {
  const fan = (count: number) => [step("a"), ...Array.from({ length: count }, (_, i) => step(`s${i}`, ["a"]))];
  const count = (plan: RunPlan) => plan.steps.get("a")!.targets.length;
  assert.is(count(compile(fan(40))), 32);
  assert.is(count(compile(fan(40), { streaming: { routing: { maxDownstreams: 3 } } })), 3);
  assert.is(
    count(compile(fan(80), { transport: { streaming: { routing: { maxDownstreams: 90 } } } })),
    maxDownstreamsCap,
  );
});

test("with nothing configured a step has the default buffer, four lanes and credits of the whole buffer", () => {
  const { delivery } = compile([step("a")]).steps.get("a")!;
  const lane = { maxMessages: 100, maxBytes: 1_048_576 };
  assert.equal(delivery, {
    buffer: { maxMessages: 1_000, maxBytes: 10_485_760 },
    maxAgeMs: 0,
    dropPolicy: null,
    lanes: { audio: lane, video: lane, binary: lane, payload: lane },
    credits: { maxMessages: 1_000, maxBytes: 10_485_760 },
  });
});

test("delivery follows the settings: Transport.spec.streaming is the default, the Story's entry overrides it", () => {
  const { delivery } = compile([step("a")], {
    transport: {
      streaming: {
        backpressure: { buffer: { maxMessages: 7, maxAgeSeconds: 2, dropPolicy: "drop_newest" } },
        flowControl: { mode: "credits", initialCredits: { messages: 5 } },
        lanes: [{ name: "speech", kind: "audio", maxMessages: 3 }],
      },
    },
    streaming: { backpressure: { buffer: { maxMessages: 500, dropPolicy: "drop_oldest" } } },
  }).steps.get("a")!;
  assert.equal(delivery, {
    buffer: { maxMessages: 500, maxBytes: 10_485_760 },
    maxAgeMs: 2_000,
    dropPolicy: "drop_oldest",
    lanes: { audio: { maxMessages: 3, maxBytes: 1_048_576 }, video: null, binary: null, payload: null },
    credits: { maxMessages: 5, maxBytes: 10_485_760 },
  });
  assert.is(
    compile([step("a")], { streaming: { flowControl: { mode: "none" } } }).steps.get("a")!.delivery.credits,
    null,
  );
});

test("steps are known by id, and by name where they have both", () => {
  const plan = compile([step("a", undefined, { id: "mic" }), step("b", ["a"])]);
  assert.equal([...plan.steps.keys()], ["mic", "b"]);
  assert.equal([...plan.aliases!], [["a", "mic"]]);
  const swapped = compile([step("a", undefined, { id: "x" }), step("b", ["a"], { id: "a" })]);
  assert.equal([...swapped.aliases!], [["b", "a"]]);
  assert.equal(targets(plan, "mic"), ["b hub"]);
});

test("every part of a step that is not supported is refused by its path", () => {
  const plan = compile([
    step("a", undefined, { if: "true" }),
    step("b", ["a"], { runtime: { text: "x" } }),
    step("c", ["b"], { with: { list: ["{{ inputs.x }}"], deep: { $bubuTemplate: "inputs.y" } } }),
    { name: "d", needs: ["c"], type: "sleep" },
    step("e", ["c"]),
  ], { job: "e", concurrency: { mode: "serial" } });
  const paths = ["spec.concurrency.mode", "spec.steps[0].if", "spec.steps[1].runtime", "spec.steps[2].with.list[0]"];
  paths.push("spec.steps[2].with.deep.$bubuTemplate", "spec.steps[3].type", "spec.steps[4].ref");
  assert.is(plan.refusal?.reason, "NotSupported");
  for (const path of paths) assert.match(plan.refusal!.message, path);
});

test("every setting that is not supported is refused by the path where it stands", () => {
  const asked: readonly (readonly [JsonObject, string])[] = [
    [{ flowControl: { mode: "window" } }, "flowControl.mode"],
    [{ delivery: { ordering: "per_stream" } }, "delivery.ordering"],
    [{ delivery: { semantics: "at_least_once" } }, "delivery.semantics"],
    [{ delivery: { replay: { mode: "memory" } } }, "delivery.replay.mode"],
    [{ routing: { rules: [{ name: "r", action: "deny", target: { steps: ["b"] } }] } }, "routing.rules"],
    [{ fanIn: { mode: "any" } }, "fanIn"],
    [{ partitioning: { mode: "preserve" } }, "partitioning.mode"],
    [{ lifecycle: { strategy: "blue_green" } }, "lifecycle.strategy"],
    [{ lifecycle: { drainTimeoutSeconds: 5 } }, "lifecycle.drainTimeoutSeconds"],
    [{ lifecycle: { maxInFlight: 5 } }, "lifecycle.maxInFlight"],
    [{ observability: { metrics: { enabled: false } } }, "observability.metrics.enabled"],
    [{ observability: { tracing: { enabled: true } } }, "observability.tracing.enabled"],
    [{ observability: { watermark: { enabled: true } } }, "observability.watermark.enabled"],
    [{ recording: { mode: "metadata" } }, "recording.mode"],
  ];
  for (const [streaming, path] of asked) {
    const inStory = compile([step("a")], { streaming }).refusal;
    assert.is(inStory?.reason, "NotSupported", path);
    assert.is(inStory?.subject.path, `spec.transports[0].streaming.${path}`);
    const inTransport = compile([step("a")], { transport: { streaming } }).refusal;
    assert.is(inTransport?.subject.path, `Transport speech: spec.streaming.${path}`);
    const raw = compile([step("a")], { transport: { defaultSettings: streaming } }).refusal;
    assert.is(raw?.subject.path, `Transport speech: spec.defaultSettings.${path}`);
  }
});

test("settings with their supported values, and those of transports that no step has, are no reason to refuse", () => {
  const streaming: JsonObject = {
    flowControl: { mode: "credits" },
    delivery: { ordering: "none", semantics: "best_effort", replay: { mode: "none" } },
    routing: { mode: "auto", fanOut: "parallel", rules: [] },
    partitioning: { mode: "none" },
    lifecycle: { strategy: "rolling" },
    observability: { metrics: { enabled: true }, tracing: { enabled: false }, watermark: { enabled: false } },
    recording: { mode: "off" },
  };
  assert.is(compile([step("a")], { streaming }).refusal, null);
  const elsewhere = compile([step("a", undefined, { transport: "other" })], { streaming: { fanIn: { mode: "any" } } });
  assert.is(elsewhere.refusal, null);
});

test("a Story's setting that takes back what its Transport asks for is obeyed", () => {
  const semantics = (value: string) => ({ delivery: { semantics: value } });
  const scene = { transport: { streaming: semantics("at_least_once") }, streaming: semantics("best_effort") };
  assert.is(compile([step("a")], scene).refusal, null);
});

test("all faults are in one message, each with its path; the first gives the reason", () => {
  const plan = compile([step("a", ["ghost"]), step("b", ["a"], { transport: "nope", if: "true" })]);
  assert.is(plan.refusal?.reason, "UnknownStep");
  for (const path of ["spec.steps[0].needs[0]", "spec.steps[1].transport", "spec.steps[1].if"]) {
    assert.match(plan.refusal!.message, path);
  }
  const input = inputOf([step("a", ["b"]), step("b", ["a"])]);
  assert.equal(refusals(input, decide(input)).map((fault) => fault.reason), ["Cycle"]);
});

test("invalid settings refuse the Story and name their path", () => {
  const plan = compile([step("a")], { streaming: { recording: { mode: "everything" } } });
  assert.is(plan.refusal?.reason, "InvalidSettings");
  assert.match(plan.refusal!.message, "recording.mode");
});

test("every edge of a plan has exactly one mode, and every target is a step of the plan", () => {
  const shape = fc.array(fc.record({ need: fc.option(fc.nat(20), { nil: undefined }) }), {
    minLength: 1,
    maxLength: 10,
  });
  fc.assert(fc.property(shape, fc.boolean(), (list, listening) => {
    const steps = list.map(({ need }, i) =>
      step(`s${i}`, need === undefined || i === 0 ? undefined : [`s${need % i}`])
    );
    const plan = compile(steps, { listening });
    assert.is(plan.refusal, null);
    assert.equal([...plan.steps.keys()], steps.map((s) => s.name));
    for (const { targets: of } of plan.steps.values()) {
      assert.is(new Set(of.map((target) => target.step)).size, of.length);
      assert.ok(of.every((target) => plan.steps.has(target.step)));
    }
  }));
});

test.run();
