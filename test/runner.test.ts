// The runner itself, over test/fixtures/runner: each way in which uvu ends with exit code 0 although something is
// wrong must fail the run.

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const it = suite("test runner");

function run(patterns: readonly string[], options: { readonly ci?: boolean; readonly args?: readonly string[] } = {}) {
  const env = { ...process.env, CI: options.ci ? "true" : "" };
  const args = [join(root, "test", "run.ts"), "--folder", "test/fixtures/runner", ...options.args ?? [], ...patterns];
  const node = join(root, "node_modules", ".bin", "node");
  const result = spawnSync(node, args, { cwd: root, encoding: "utf8", env, timeout: 30_000 });
  return { code: result.status, out: result.stdout, lines: result.stdout.trimEnd().split("\n") };
}

it("counts what passed, alone on the last line", () => {
  const result = run(["fixtures/runner/passes"]);
  assert.is(result.code, 0, result.out);
  assert.is(result.lines.at(-1), "2 passed, 0 failed");
});

it("counts a failed test and shows its output", () => {
  const result = run(["runner/fails"]);
  assert.is(result.code, 1);
  assert.is(result.lines.at(-1), "1 passed, 1 failed");
  assert.match(result.out, "FAILED test/fixtures/runner/fails.test.ts");
  assert.match(result.out, "adds wrongly");
});

const faulty: Readonly<Record<string, string>> = {
  "before-throws": "a before hook threw",
  "no-run": "a suite without .run()",
  "one-of-two-runs": "came after the others had ended",
  "after-each-throws": "passed 0 of 1",
  "exit-early": "exit code 1",
  "skips-by-hand": "skips 1 tests",
  "no-suite": "printed no totals",
  "no-tests": "ran no test",
  "crashes": "exit code 1",
};

for (const [file, fault] of Object.entries(faulty)) {
  it(`fails a faulty file, whatever its exit code: ${file}`, () => {
    const result = run([`runner/${file}.test`]);
    assert.is(result.code, 1, result.out);
    assert.match(result.out, fault);
    assert.match(result.lines.at(-1) ?? "", /^\d+ passed, [1-9]\d* failed$/);
  });
}

it("ends a file that hangs at its deadline, and counts it as failed", () => {
  const result = run(["open-handle"], { args: ["--deadline", "2"] });
  assert.is(result.code, 1);
  assert.match(result.out, "did not end within 2 s");
  assert.is(result.lines.at(-1), "1 passed, 1 failed");
});

it("one faulty file fails a run in which others pass", () => {
  const result = run(["runner/passes", "no-run"]);
  assert.is(result.code, 1);
  assert.is(result.lines.at(-1), "2 passed, 1 failed");
});

it("a pattern that matches no file is a failure", () => {
  const result = run(["no-such-file"]);
  assert.is(result.code, 1);
  assert.is(result.lines.at(-1), "0 passed, 1 failed");
});

it("names what was left out for want of a program after the counts", () => {
  const result = run(["runner/passes", "leaves-out"]);
  assert.is(result.code, 0, result.out);
  assert.is(result.lines.at(-2), "2 passed, 0 failed, 1 skipped");
  assert.match(result.lines.at(-1) ?? "", /1 tests \(h2spec\).*npm run tools/);
});

it("a missing program is a failure with CI=true", () => {
  const result = run(["runner/passes", "leaves-out"], { ci: true, args: ["--no-build"] });
  assert.is(result.code, 1);
  assert.is(result.lines.at(-2), "2 passed, 1 failed");
});

it.run();
