// What one test file came to. uvu exits 0 in cases that are failures (a `before` hook throws, a suite lacks `.run()`,
// nothing is registered), so the counts that it prints are what counts, and the exit code only adds to them.

import { stripVTControlCharacters } from "node:util";

/** What a test file's process left behind. */
export type FileRun = {
  readonly file: string;
  readonly stdout: string;
  readonly stderr: string;
  /** Both streams in the order of their arrival, for the reader of a failure. */
  readonly output: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly overdue: boolean;
  readonly durationMs: number;
};

/** A test that did not run because a program from elsewhere is not in the cache. */
export type LeftOut = { readonly program: string; readonly test: string };

export type Outcome = {
  readonly passed: number;
  readonly failed: number;
  readonly leftOut: readonly LeftOut[];
  /** Why the file as a whole cannot be trusted, in words; empty when it can. */
  readonly faults: readonly string[];
};

/** The mark by which a test file says on stderr that it leaves a test out; written by test/support/tools.ts. */
export const leftOutMark = "bobravoz-test: left out: ";

function readLeftOut(stderr: string): LeftOut[] {
  const found: LeftOut[] = [];
  for (const line of stderr.split("\n")) {
    if (!line.startsWith(leftOutMark)) continue;
    const [program = "", ...test] = line.slice(leftOutMark.length).split(": ");
    found.push({ program, test: test.join(": ") });
  }
  return found;
}

function readCounts(text: string, name: string): number[] {
  return [...text.matchAll(new RegExp(`^ {2}${name}:\\s+(\\d+)$`, "gm"))].map((match) => Number(match[1]));
}

/** Reads what uvu printed. A file without faults passed; with faults, `failed` is at least 1. */
export function readOutcome(run: FileRun, deadlineMs: number): Outcome {
  const text = stripVTControlCharacters(run.stdout);
  const leftOut = readLeftOut(stripVTControlCharacters(run.stderr));
  const totals = readCounts(text, "Total");
  const total = totals[0] ?? 0;
  const passed = readCounts(text, "Passed")[0] ?? 0;
  const skipped = readCounts(text, "Skipped")[0] ?? 0;
  const suites = [...text.matchAll(/\((\d+) \/ (\d+)\)$/gm)].map((match) =>
    [Number(match[1]), Number(match[2])] as const
  );
  const faults: string[] = [];
  if (run.overdue) faults.push(`did not end within ${deadlineMs / 1000} s (an open handle, or a test that hangs)`);
  else if (run.signal !== null) faults.push(`ended by ${run.signal}`);
  else if (run.exitCode !== 0) faults.push(`exit code ${run.exitCode}`);
  if (totals.length === 0 && faults.length === 0) {
    faults.push("printed no totals: a suite without .run(), no suite, or an early exit");
  }
  if (totals.length > 1) faults.push("printed totals more than once: a suite's .run() came after the others had ended");
  if (totals.length > 0 && (suites.length === 0 || (total === 0 && leftOut.length === 0))) faults.push("ran no test");
  if (leftOut.length === 0 && suites.some(([, tests]) => tests === 0)) faults.push("has a suite without tests");
  if (skipped !== leftOut.length) {
    faults.push(`skips ${skipped} tests, of which ${leftOut.length} for want of a program`);
  }
  if (passed < total && !/^ {3}FAIL /m.test(text)) {
    faults.push(`passed ${passed} of ${total} without naming a failure: a before hook threw`);
  }
  const failed = Math.max(total - passed, faults.length > 0 ? 1 : 0);
  return { passed, failed, leftOut, faults };
}
