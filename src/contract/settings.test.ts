import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isTransportError } from "./errors.ts";
import type { JsonObject } from "./resources.ts";
import { deepMerge } from "./settings-merge.ts";
import { effectiveSettings, mergePublished, settingsText } from "./settings.ts";
import type { SettingsSource } from "./settings.ts";

const test = suite("settings");

const transport: SettingsSource = {
  settings: { env: { BUBU_GRPC_DIAL_TIMEOUT: "5s" }, routing: { maxDownstreams: 8 } },
  streaming: {
    flowControl: { mode: "window", initialCredits: { messages: 256 } },
    routing: { mode: "auto", maxDownstreams: 16 },
    lanes: [{ name: "speech", kind: "audio" }],
  },
};

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isTransportError(error, "InvalidSettings")) return error.message;
    throw error;
  }
  return "";
}

test("C-041 with nothing set the published settings are the documented 585 bytes", () => {
  assert.is(mergePublished({}, {}).length, 585);
});

test("C-040 K-10 the published merge injects defaults at both levels, the effective one only at the end", () => {
  const published = JSON.parse(mergePublished(transport, { settings: '{"env":{"BUBU_DEBUG":"true"}}' }));
  assert.is(published.flowControl.mode, "credits");
  assert.is(published.routing.maxDownstreams, 32);
  assert.is(published.lanes.length, 4);
  const effective = effectiveSettings(transport, { settings: '{"env":{"BUBU_DEBUG":"true"}}' });
  assert.is(effective.flowControl.mode, "window");
  assert.is(effective.routing.maxDownstreams, 16);
  assert.equal(effective.lanes.map((lane) => [lane.name, lane.maxMessages, lane.maxBytes]), [["speech", 100, 1048576]]);
  assert.equal(JSON.parse(settingsText(effective)).env, { BUBU_DEBUG: "true", BUBU_GRPC_DIAL_TIMEOUT: "5s" });
});

test("C-042 objects merge key by key; arrays, null and a value of another type replace", () => {
  const base = { a: { x: 1, y: { z: 2 } }, list: [1, 2], kept: true, gone: { deep: 1 }, text: "t" };
  const overlay = { a: { y: { w: 3 } }, list: [], gone: null, text: { now: "an object" } };
  assert.equal(deepMerge(base, overlay), {
    a: { x: 1, y: { z: 2, w: 3 } },
    list: [],
    kept: true,
    gone: null,
    text: { now: "an object" },
  });
});

test("the Story overrides only what it sets", () => {
  const { flowControl, backpressure } = effectiveSettings(
    { streaming: { backpressure: { buffer: { maxMessages: 7, dropPolicy: "drop_oldest" } } } },
    { streaming: { backpressure: { buffer: { maxMessages: 500 } } } },
  );
  assert.equal(backpressure.buffer, {
    maxMessages: 500,
    maxBytes: undefined,
    maxAgeSeconds: undefined,
    dropPolicy: "drop_oldest",
  });
  assert.is(flowControl.ackEvery?.maxDelayMs, 250);
});

test("a drop policy that nobody set is told from one that was set", () => {
  assert.is(effectiveSettings({}, {}).backpressure.buffer.dropPolicy, undefined);
});

test("C-043 none gets no thresholds, initial credits alone get neither mode nor thresholds", () => {
  const none = effectiveSettings({}, { streaming: { flowControl: { mode: "none" } } }).flowControl;
  assert.equal([none.mode, none.pauseThreshold.bufferPct, none.ackEvery], ["none", undefined, undefined]);
  const alone = effectiveSettings({}, { streaming: { flowControl: { initialCredits: { messages: 5 } } } }).flowControl;
  assert.equal([alone.mode, alone.initialCredits?.messages, alone.ackEvery], ["none", 5, undefined]);
});

test("W-23 an explicit sample rate of 0 is not the default of 100", () => {
  assert.is(effectiveSettings({}, { streaming: { recording: { sampleRate: 0 } } }).recording.sampleRate, 0);
  assert.is(effectiveSettings({}, {}).recording.sampleRate, 100);
});

test("W-22 every bad value is refused at once, with the path where it stands", () => {
  const message = refusal(() =>
    effectiveSettings(
      { settings: { flowControl: { mode: "push" } }, streaming: { lanes: [{ name: "a", kind: "smell" }] } },
      { streaming: { routing: { maxDownstreams: "many" }, backpressure: { buffer: { maxMessages: -1 } } } },
    )
  );
  for (
    const part of [
      "spec.transports[].streaming.routing.maxDownstreams: must be a 32-bit integer",
      "spec.transports[].streaming.backpressure.buffer.maxMessages: maxMessages must be non-negative, got -1",
      'Transport: spec.defaultSettings.flowControl.mode: mode must be none, credits, or window, got "push"',
      "Transport: spec.streaming.lanes[0].kind: kind must be audio, video, binary, payload, or control",
    ]
  ) assert.ok(message.includes(part), `${part}\nnot in\n${message}`);
});

test("C-044 settings that are no object, and a weaker security mode, are refused with the field named", () => {
  assert.match(refusal(() => effectiveSettings({ settings: "[]" }, {})), /^Transport: spec\.defaultSettings: /);
  const weak = { env: { BUBU_TRANSPORT_SECURITY_MODE: "plaintext" } };
  assert.match(
    refusal(() => effectiveSettings({}, { settings: weak })),
    /env\.BUBU_TRANSPORT_SECURITY_MODE: only "tls"/,
  );
  assert.match(refusal(() => mergePublished({}, { settings: "{" })), /unexpected end of JSON input$/);
});

test("settings nested too deep are refused, as text and as a value", () => {
  const text = `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`;
  for (const settings of [text, JSON.parse(text) as JsonObject]) {
    assert.match(refusal(() => mergePublished({ settings }, {})), /nested more than 1000 deep/);
    assert.match(refusal(() => effectiveSettings({}, { settings })), /nested more than 1000 deep/);
  }
});

test("a message names the manifest where the caller says which it is", () => {
  const paths = { settings: "Transport speech: spec.defaultSettings", streaming: "Transport speech: spec.streaming" };
  const message = refusal(() => effectiveSettings({ settings: { routing: { fanOut: "both" } }, paths }, {}));
  assert.match(message, /^Transport speech: spec\.defaultSettings\.routing\.fanOut: /);
});

test("T-11 a routing mode counts in any case and with blanks around it", () => {
  assert.is(effectiveSettings({}, { settings: { routing: { mode: " HUB " } } }).routing.mode, "hub");
});

const object = fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 3 }), {
  maxKeys: 5,
  noNullPrototype: true,
})
  .map((value) => value as JsonObject);

test("merging an empty object on either side changes nothing, and merging twice is merging once", () => {
  fc.assert(fc.property(object, object, (base, overlay) => {
    assert.equal(deepMerge(base, {}), base);
    assert.equal(deepMerge({}, overlay), overlay);
    const merged = deepMerge(base, overlay);
    assert.equal(deepMerge(merged, overlay), merged);
    for (const key of Object.keys(overlay)) assert.ok(Object.hasOwn(merged, key));
  }));
});

test("merging is associative as long as no level is a scalar", () => {
  const tree = fc.dictionary(
    fc.constantFrom("a", "b", "c"),
    fc.dictionary(fc.constantFrom("x", "y"), fc.integer(), { noNullPrototype: true }),
    { noNullPrototype: true },
  );
  fc.assert(fc.property(tree, tree, tree, (a, b, c) => {
    assert.equal(deepMerge(deepMerge(a, b), c), deepMerge(a, deepMerge(b, c)));
  }));
});

test("the published text is stable under the order of keys", () => {
  fc.assert(fc.property(object, (settings) => {
    const reversed = Object.fromEntries(Object.entries(settings).reverse());
    assert.is(mergePublished({ settings }, {}), mergePublished({ settings: reversed }, {}));
  }));
});

test.run();
