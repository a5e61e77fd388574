import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseResource } from "./parse-resources.ts";
import { name } from "./schema.ts";

const parse = suite("parse resources");

const story = {
  apiVersion: "bubustack.io/v1alpha1",
  kind: "Story",
  metadata: { name: "voice" },
  spec: {
    pattern: "realtime",
    transports: [{ name: "main", transportRef: "speech" }],
    steps: [{ name: "mic", ref: { name: "mic" } }, {
      name: "vad",
      needs: ["mic"],
      ref: { name: "vad" },
      transport: "main",
    }],
  },
};

const faultsOf = (value: unknown, options = { strict: true }) =>
  parseResource(value, options).faults.map((fault) => `${name(fault.path)}: ${fault.message}`);

parse("a sound Story is taken as it is", () => {
  const { resource, faults } = parseResource(story, { strict: true });
  assert.equal(faults, []);
  assert.is(resource, story as never);
});

parse("every fault is told at once, each with its path", () => {
  const broken = {
    ...story,
    metadata: {},
    spec: {
      ...story.spec,
      pattern: "realtme",
      steps: [{ name: "mic", ref: { name: "mic" }, needz: [] }, { name: "Vad", needs: "mic", ref: { name: "vad" } }],
    },
  };
  assert.equal(faultsOf(broken), [
    "metadata.name: metadata.name is missing",
    'spec.pattern: spec.pattern must be one of batch, realtime, not "realtme"',
    "spec.steps[0].needz: unknown field spec.steps[0].needz",
    'spec.steps[1].name: spec.steps[1].name "Vad" does not match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
    'spec.steps[1].needs: spec.steps[1].needs must be a list, not "mic"',
  ]);
});

parse("the rules of the CRD hold: names unique, ref or type, needs and transport known", () => {
  const steps = [...story.spec.steps, { name: "mic", needs: ["ghost"], transport: "other" }];
  const broken = { ...story, spec: { ...story.spec, steps } };
  assert.equal(faultsOf(broken), [
    'spec.steps[2]: step "mic" must set exactly one of ref or type',
    'spec.steps[2].name: step name "mic" is used twice',
    'spec.steps[2].needs[0]: step "mic" needs "ghost", which is no step of this Story',
    'spec.steps[2].transport: step "mic" names transport "other", which is not declared',
  ]);
});

parse("unknown fields are faults only where asked for", () => {
  const newer = { ...story, spec: { ...story.spec, novelty: 1 } };
  assert.equal(faultsOf(newer), ["spec.novelty: unknown field spec.novelty"]);
  assert.equal(parseResource(newer).faults, []);
});

parse("objects of other groups are none of ours, misspelt kinds of ours are faults", () => {
  assert.equal(parseResource({ apiVersion: "v1", kind: "ConfigMap" }), { resource: null, faults: [] });
  assert.equal(parseResource({ apiVersion: "bubustack.io/v1alpha1", kind: "Impulse" }), { resource: null, faults: [] });
  assert.equal(faultsOf({ ...story, kind: "Storry" }), ['kind: kind "Storry" is unknown in bubustack.io']);
  assert.equal(faultsOf({ kind: "Story" }), ["apiVersion: apiVersion is missing"]);
  assert.equal(faultsOf("Story"), ["the object: not an object with apiVersion and kind"]);
  assert.equal(faultsOf({ ...story, apiVersion: "bubustack.io/v1" }), [
    'apiVersion: apiVersion "bubustack.io/v1" of Story is not bubustack.io/v1alpha1',
  ]);
});

parse("the older spelling of a streaming Story is read where asked for", () => {
  const older = { ...story, spec: { ...story.spec, pattern: "streaming", streamingStrategy: "PerStory" } };
  const { resource } = parseResource(older, { strict: true, legacy: true });
  assert.is(resource?.kind === "Story" && resource.spec.pattern, "realtime");
  assert.equal(resource?.metadata.annotations, { "bobravoz.bubustack.io/strategy": "PerStory" });
  assert.is(faultsOf(older).length, 2);
});

parse.run();
