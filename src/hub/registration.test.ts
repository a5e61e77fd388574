import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TransportError } from "../contract/errors.ts";
import { parseRegistration } from "./registration.ts";

const test = suite("registration");

const complete: Record<string, string> = {
  "bubu-transport-protocol": "1.0.0",
  "storyrun-name": "run",
  "storyrun-namespace": "demo",
  "current-step-id": "a",
  "connector-generation": "7",
};

function refusal(changes: Record<string, string | undefined>): string {
  const headers = { ...complete, ...changes };
  try {
    parseRegistration((name) => headers[name]);
  } catch (error) {
    if (error instanceof TransportError) return `${error.reason}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

test("complete metadata names the step, surrounding blanks do not count", () => {
  const { namespace, storyRun, step, generation } = parseRegistration((name) => ` ${complete[name] ?? ""} `);
  assert.equal({ namespace, storyRun, step, generation }, {
    namespace: "demo",
    storyRun: "run",
    step: "a",
    generation: 7,
  });
});

test("D-010: each missing or wrong header has its reason and text, in this order", () => {
  const none = Object.fromEntries(Object.keys(complete).map((name) => [name, undefined]));
  assert.is(refusal(none), "ProtocolVersion: missing transport protocol version");
  assert.is(
    refusal({ ...none, "bubu-transport-protocol": "1.0.0" }),
    "InvalidMetadata: missing storyrun-name metadata; missing storyrun-namespace metadata; missing current-step-id metadata",
  );
  assert.is(refusal({ "storyrun-namespace": undefined }), "InvalidMetadata: missing storyrun-namespace metadata");
  assert.is(refusal({ "connector-generation": undefined }), "InvalidGeneration: missing connector-generation metadata");
});

test("D-011: another protocol version is refused", () => {
  for (const version of ["1.0", "1.0.1"]) {
    assert.is(
      refusal({ "bubu-transport-protocol": version }),
      `ProtocolVersion: unsupported transport protocol version "${version}" (expected 1.0.0)`,
    );
  }
});

test("D-012: a generation that is no positive int32 is refused", () => {
  for (const generation of ["0", "-1", "x", "2147483648", "1.5"]) {
    assert.is(
      refusal({ "connector-generation": generation }),
      `InvalidGeneration: invalid connector-generation metadata "${generation}"`,
    );
  }
});

test("D-013: startup.capabilities is classified and never refused", () => {
  const classes = [[undefined, "missing"], ["", "missing"], [" Required ", "required"], ["none", "none"], [
    "x",
    "invalid",
  ]];
  for (const [value, expected] of classes) {
    const headers: Record<string, string | undefined> = { ...complete, "startup.capabilities": value };
    assert.is(parseRegistration((name) => headers[name]).capabilities, expected);
  }
});

test.run();
