import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  bindingAnnotation,
  bindingInfoOf,
  decodeBindingEnvelope,
  encodeBindingEnvelope,
  type EnvelopeSource,
} from "./binding-info.ts";
import { applyOverrides, environmentOf } from "./binding-env.ts";
import { isTransportError } from "./errors.ts";
import { utf8Text } from "./json-text.ts";

const test = suite("binding-info");

const binding: EnvelopeSource = {
  metadata: { name: "voice-run-7-transcribe-transport", namespace: "demo" },
  spec: {
    transportRef: "speech",
    driver: "bobravoz-grpc",
    audio: { direction: "bidirectional", codecs: [{ name: "pcm16" }, { name: "opus" }] },
    binary: { direction: "bidirectional", mimeTypes: ["application/json"] },
    connectorEndpoint: "127.0.0.1:50051",
    rawSettings: { routing: { mode: "hub" }, env: { BUBU_DEBUG: "true" } },
  },
};

function refusal(value: string): string {
  try {
    decodeBindingEnvelope(value);
  } catch (error) {
    if (isTransportError(error, "InvalidBinding")) return error.message;
    throw error;
  }
  return "";
}

test("C-087 the short worked example of 6.1 has its 329 bytes, and its annotation names the binding", () => {
  const value = encodeBindingEnvelope(binding);
  assert.is(value.length, 329);
  assert.is(bindingAnnotation(value), "demo/voice-run-7-transcribe-transport");
});

test("C-083, C-084 what is empty is left out, and the connector's endpoint beats the status", () => {
  const bare = { metadata: { name: "b" }, spec: { transportRef: "t", driver: "d" }, status: { endpoint: " h:1 " } };
  assert.is(
    encodeBindingEnvelope(bare),
    '{"name":"b","binding":{"transportRef":"t","driver":"d","endpoint":"h:1","protocolVersion":"1.0.0"}}',
  );
  const both = { ...bare, spec: { ...bare.spec, connectorEndpoint: "c:2" } };
  assert.is(bindingInfoOf(both).endpoint, "c:2");
});

test("C-088 a < in settings stays inside the payload, in a name it is escaped", () => {
  const odd = { metadata: { name: "b" }, spec: { transportRef: "a<b", driver: "d" } };
  assert.ok(encodeBindingEnvelope(odd).includes('"transportRef":"a\\u003cb"'));
});

test("C-082 each way to be wrong has its own sentence", () => {
  assert.is(refusal(" "), "binding payload empty");
  assert.is(refusal("demo/b"), "binding payload must be a JSON envelope");
  assert.is(refusal('{"binding":{}}'), "binding envelope name is required");
  assert.is(refusal('{"name":"b"}'), "binding envelope binding payload is required");
  assert.match(refusal('{"name":"b"'), /^unmarshal binding envelope: unexpected end/);
  assert.match(refusal('{"name":"b","binding":{"foo":1}}'), /unknown field "foo"/);
  assert.match(refusal('{"name":"b","binding":{"driver":"x","driver":"y"}}'), /duplicate field "driver"/);
  assert.match(refusal(`{"name":"${"b".repeat(1_048_576)}"}`), /exceeds max size of 1048576 bytes/);
});

test("overrides are read from env in any case and written as Go writes them", () => {
  assert.equal(environmentOf('{"ENV":{"A":10485760,"B":null,"C":[1,"x"],"D":{"k":true}}}'), {
    A: "1.048576e+07",
    B: "<nil>",
    C: "[1 x]",
    D: "map[k:true]",
  });
  assert.is(environmentOf("[1]"), undefined);
  assert.is(environmentOf('{"env":{"A":1e999}}'), undefined);
});

test("C-086 BUBU names are added, others only replaced, what is no name is skipped", () => {
  const env = [{ name: "FOO", value: "1" }, { name: "BUBU_POD_NAME", fieldPath: "metadata.name" }];
  const overrides = { FOO: "2", BAR: "x", "1BAD": "x", BUBU_X: "3", BUBU_POD_NAME: "p" };
  assert.equal(applyOverrides(env, overrides), [
    { name: "FOO", value: "2" },
    { name: "BUBU_POD_NAME", value: "p" },
    { name: "BUBU_X", value: "3" },
  ]);
});

test("C-081 C-085 encoding then decoding is identity, and encoding is deterministic", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).map((text) => `n${text.toWellFormed()}n`);
  const names = fc.array(name, { maxLength: 3 });
  const source = fc.record({
    name,
    namespace: name,
    transportRef: name,
    driver: name,
    endpoint: name,
    audio: names,
    binary: names,
    settings: fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
  });
  fc.assert(fc.property(source, (given) => {
    const made: EnvelopeSource = {
      metadata: { name: given.name, namespace: given.namespace },
      spec: {
        transportRef: given.transportRef,
        driver: given.driver,
        connectorEndpoint: given.endpoint,
        audio: { direction: "bidirectional", codecs: given.audio.map((codec) => ({ name: codec })) },
        binary: { direction: "bidirectional", mimeTypes: given.binary },
        // JSON values, which the type of fast-check does not say.
        rawSettings: given.settings as never,
      },
    };
    const value = encodeBindingEnvelope(made);
    assert.is(encodeBindingEnvelope(made), value);
    const read = decodeBindingEnvelope(value);
    assert.is(read.name, given.name);
    assert.is(read.namespace, given.namespace);
    assert.equal(read.info, bindingInfoOf(made));
    assert.is(utf8Text(read.info.payload), utf8Text(bindingInfoOf(made).payload));
  }));
});

test.run();
