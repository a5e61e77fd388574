import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Transport } from "../contract/resources.ts";
import { aggregate, readiness } from "./aggregate.ts";
import { incompatibility, mediaOf, negotiate } from "./negotiate.ts";

const test = suite("negotiation");

const spec: Transport["spec"] = {
  provider: "bobravoz",
  driver: "bobravoz-grpc",
  supportedAudio: [{ name: "opus", sampleRateHz: 48000 }, { name: "pcm16" }],
  supportedBinary: ["application/json"],
};

test("C-045 a binding built from a Transport with audio and binary only has no video", () => {
  assert.equal(Object.keys(mediaOf(spec)), ["audio", "binary"]);
});

test("C-046 directions are bidirectional and codec lists are the Transport's", () => {
  const { audio, binary } = mediaOf(spec);
  assert.equal(audio, { direction: "bidirectional", codecs: spec.supportedAudio });
  assert.equal(binary, { direction: "bidirectional", mimeTypes: spec.supportedBinary });
});

test("a codec that the Transport does not list makes a binding incompatible, by name", () => {
  const driver = spec.driver;
  assert.is(incompatibility({ driver, ...mediaOf(spec) }, spec), null);
  const audio = { direction: "bidirectional", codecs: [{ name: "aac" }] };
  assert.is(incompatibility({ driver, audio }, spec), "audio codec aac is not supported by transport");
  assert.is(incompatibility({ driver: "other" }, spec), `driver must match transport driver "bobravoz-grpc"`);
});

test("a connector settles on the first codec of each kind unless the status has one", () => {
  assert.equal(negotiate(mediaOf(spec)), {
    negotiatedAudio: { name: "opus", sampleRateHz: 48000 },
    negotiatedBinary: "application/json",
  });
  assert.equal(negotiate(mediaOf(spec), { negotiatedAudio: { name: "pcm16" } }).negotiatedAudio, { name: "pcm16" });
});

test("C-051 Ready is read as the four rows of B-30 say", () => {
  const ready = (status: string, reason: string, message = "") =>
    readiness([{ type: "Ready", status, reason, message }]);
  assert.equal(readiness([]), { ready: false, terminal: false, message: "ready condition not reported" });
  assert.equal(ready("True", "TransportReady", "ok"), { ready: true, terminal: false, message: "ok" });
  for (const reason of ["TransportFailed", "ValidationFailed", "InvalidConfiguration"]) {
    assert.equal(ready("False", reason), { ready: false, terminal: true, message: reason });
  }
  assert.equal(ready("Unknown", ""), { ready: false, terminal: false, message: "condition Ready=Unknown" });
});

test("a stale heartbeat and a codec that does not fit become failures, others are counted", () => {
  const binding = (name: string, audio: string, ageMs: number) => ({
    name,
    spec: {
      driver: spec.driver,
      transportRef: "speech",
      audio: { direction: "bidirectional", codecs: [{ name: audio }] },
    },
    ready: { status: "True", reason: "TransportReady", message: "ok", ageMs },
  });
  const bindings = [
    binding("demo/a", "PCM16", 1_000),
    binding("demo/b", "pcm16", 130_000),
    binding("demo/c", "aac", 5),
  ];
  const { ready, total, errors, changes, audio } = aggregate({ name: "speech", spec, valid: true }, bindings, 120_000);
  assert.equal({ ready, total, audio }, { ready: 1, total: 3, audio: [{ name: "pcm16" }] });
  assert.equal(errors, [
    "demo/b: connector heartbeat stale for 2m10s",
    "demo/c: incompatible with transport speech: audio codec aac is not supported by transport",
  ]);
  assert.equal([...changes].map(([name, { reason }]) => [name, reason]), [
    ["demo/b", "TransportFailed"],
    ["demo/c", "InvalidConfiguration"],
  ]);
});

test.run();
