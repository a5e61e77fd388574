import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  bindingName,
  compose,
  composeWithSuffix,
  labelValue,
  serviceAccountName,
  stepAddress,
  stepRunName,
  storyBindingName,
  storyRunName,
} from "./compose.ts";

const test = suite("compose");

const a = (times: number): string => "a".repeat(times);

test("C-001 a binding is named by run, step and transport", () => {
  assert.is(bindingName("voice-run-7", "transcribe"), "voice-run-7-transcribe-transport");
  assert.is(stepRunName("voice-run-7", "transcribe"), "voice-run-7-transcribe");
  assert.is(storyBindingName("voice", "transcribe"), "voice-transcribe-story-transport");
});

test("C-002, C-003 a name of 63 bytes stays, a longer one ends in a digest", () => {
  assert.is(compose([a(60), "transport"]), `${a(50)}-cec30084bb10`);
  assert.is(compose([a(40), "b".repeat(12), "transport"]), `${a(40)}-bbbbbbbbbbbb-transport`);
  assert.is(compose([a(41), "b".repeat(12), "transport"]), `${a(41)}-bbbbbbbb-3fa31ba658c8`);
});

test("C-004, C-006 the digest covers the parts as given, those that leave no letter too", () => {
  assert.is.not(compose(["A".repeat(60), "transport"]), compose([a(60), "transport"]));
  assert.is.not(compose([a(60), "..", "transport"]), compose([a(60), "transport"]));
});

test("C-005 one dash goes where the prefix ends in one", () => {
  const name = compose([`${"x".repeat(49)}-y`, "step-name-long"]);
  assert.is(name, `${"x".repeat(49)}-3219f5e2161c`);
  assert.is(name.length, 62);
});

test("C-007 nothing gives resource", () => {
  assert.is(compose(["--", ".."]), "resource");
  assert.is(labelValue("---"), "resource");
});

test("C-008 a suffix stays whole", () => {
  assert.is(composeWithSuffix(a(60), "engram-runner"), `${a(36)}-66a02a658f32-engram-runner`);
  assert.is(composeWithSuffix("r", "x".repeat(63)), `${"x".repeat(50)}-72123c68c453`);
  assert.is(composeWithSuffix("", "engram-runner"), "resource-engram-runner");
  assert.is(serviceAccountName("voice-run-7"), "voice-run-7-engram-runner");
});

test("C-009 a label value of 64 is cut and hashed", () => {
  assert.is(labelValue(a(64)), `${a(52)}-ffe054fe7a`);
  assert.is(labelValue("ÉCOLE 1"), "cole-1");
});

test("C-011 a trigger token always names the same run", () => {
  assert.is(storyRunName("demo", "voice", "call-42"), "voice-call-42-3483404d8ef9ff78");
  assert.is(storyRunName("", "voice", "call-42"), "voice-call-42");
  assert.is(storyRunName("demo", "voice", "***"), "voice-a5e0c9a43c1d8497");
});

test("N-10 a step is reached at the Service of its StepRun", () => {
  assert.is(
    stepAddress("voice-run-7", "transcribe", "demo", 50051),
    "voice-run-7-transcribe.demo.svc.cluster.local:50051",
  );
});

test("C-012 all worked examples of section 2.3 hold", () => {
  const live = "live-assistant-20260422t222729z-9f8e7d6c5b4a3210";
  const composed: readonly (readonly [readonly string[], string])[] = [
    [["My_Story.Run", "Step A", "transport"], "my-story-run-step-a-transport"],
    [["run", "", "transport"], "run-transport"],
    [[live, "transcribe-speech"], `${live}-t-15a0754d3f3f`],
    [[live, "transcribe-speech", "transport"], `${live}-t-656338124a2c`],
    [["support-copilot", "transcribe", "story", "transport"], "support-copilot-transcribe-story-transport"],
    [["a", "b".repeat(70)], `a-${"b".repeat(48)}-bd6e41ca1743`],
  ];
  for (const [parts, name] of composed) assert.is(compose(parts), name);
  assert.is(composeWithSuffix("run", "Engram_Runner"), "run-engram-runner");
  assert.is(composeWithSuffix(live, "engram-runner"), `${live}-engram-runner`);
  assert.is(labelValue("My.Story_Run"), "my-story-run");
  assert.is(labelValue(`${"x".repeat(51)}-${"y".repeat(20)}`), `${"x".repeat(51)}-c1123d324a`);
  assert.is(labelValue(`${live}-abcdefghijklmno`), `${live}-abc-f2b493ea10`);
  assert.is(storyRunName("demo", "voice", "Call_42!"), "voice-call-42-09d0f79d08528b8b");
  assert.is(storyRunName("demo", "voice", "t".repeat(250)), "voice-66c156c90a6df651");
});

test("C-010 every name of ASCII parts is a DNS label, and the same parts give the same name", () => {
  const ascii = fc.string({ unit: "binary-ascii", maxLength: 90 });
  const label = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
  fc.assert(fc.property(fc.array(ascii, { maxLength: 5 }), (parts) => {
    const name = compose(parts);
    assert.match(name, label);
    assert.is(compose([...parts]), name);
  }));
  fc.assert(fc.property(ascii, ascii, (base, suffix) => {
    assert.match(composeWithSuffix(base, suffix), label);
    assert.match(labelValue(base), label);
  }));
});

test.run();
