// `npm run statements [-- PATTERN…]`: which numbered statements of the contract pages have a test, and how it came out.
//
// A test bears the numbers that its name begins with (`D-053 a sequenced packet …`, `C-021, C-022 …`). The files that
// bear one are run, two at a time, and each statement is `passed`, `failed`, `not run` (left out, or its file broke off)
// or `missing`. Ends with 0 where every statement that this version owes has passed.
//
//   --required   only those that this version owes (D-048 … D-061 and all of C but those left out)
//   --list       does not run anything: which files bear which statement
//   PATTERN      only statements that begin with it: `C-0`, `D-05`

import { readdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { type FileRun, readOutcome } from "../test/runner/outcome.ts";
import { startFile } from "../test/runner/start.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const deadlineMs = 120_000;

/** The checklists, as ranges of numbers: data-plane 11, control-plane 12. */
const checklists: Readonly<Record<string, readonly (readonly [first: number, last: number])[]>> = {
  D: [[1, 70]],
  C: [[1, 12], [20, 30], [40, 56], [60, 72], [80, 88], [90, 98], [100, 110]],
};

/** Statements without a test of their own, and why. */
const leftOut: Readonly<Record<string, string>> = {
  "C-085": "the Go module cannot be had: decoded by the envelope vectors and the recorded environments",
};

/** What this version owes: the connector and the control plane. */
const required = new Set(
  statementsOf({ D: [[48, 61]], C: checklists["C"]! }).filter((number) => leftOut[number] === undefined),
);

function statementsOf(lists: typeof checklists): readonly string[] {
  return Object.entries(lists).flatMap(([letter, ranges]) =>
    ranges.flatMap(([first, last]) =>
      Array.from({ length: last - first + 1 }, (_, index) => `${letter}-${String(first + index).padStart(3, "0")}`)
    )
  );
}

/** Numbers at the beginning of a text: `C-021, C-022 and …` has two. */
function numbersOf(text: string): readonly string[] {
  const head = /^(?:[CD]-\d{3}(?:, | and | to |\/)?)+/.exec(text)?.[0] ?? "";
  return head.match(/[CD]-\d{3}/g) ?? [];
}

/** Files below the folders that hold code of tests, as paths from the root. */
function sources(): readonly string[] {
  return ["src", "test", "bench", "examples"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .map((path) => posix.join(folder, path.replaceAll("\\", "/")))
      .filter((path) => path.endsWith(".ts") && !path.includes("node_modules") && !path.includes("/fixtures/"))
  );
}

/** Statements by the file that is run for them: one with a suite for others counts for each file that imports it. */
function bearers(): ReadonlyMap<string, ReadonlySet<string>> {
  const texts = new Map(sources().map((path) => [path, readFileSync(join(root, path), "utf8")]));
  const own = new Map<string, ReadonlySet<string>>();
  for (const [path, text] of texts) {
    const names = [...text.matchAll(/["'`]((?:[CD]-\d{3})[^"'`\n]*)["'`]/g)].flatMap((match) => numbersOf(match[1]!));
    if (names.length > 0) own.set(path, new Set(names));
  }
  const found = new Map<string, Set<string>>();
  for (const [path, text] of texts) {
    if (!path.endsWith(".test.ts")) continue;
    const imported = [...text.matchAll(/from "(\.[^"]+)"/g)].map((match) => posix.join(posix.dirname(path), match[1]!));
    const numbers = [path, ...imported.filter((other) => other.startsWith("test/"))].flatMap((each) => [
      ...own.get(each) ?? [],
    ]);
    if (numbers.length > 0) found.set(path, new Set(numbers));
  }
  return found;
}

type State = "passed" | "failed" | "not run";

/** What a run says of the statements that its file bears. */
function judge(run: FileRun, numbers: ReadonlySet<string>): ReadonlyMap<string, State> {
  const outcome = readOutcome(run, deadlineMs);
  const text = stripVTControlCharacters(run.stdout);
  const failed = new Set([...text.matchAll(/^ {3}FAIL .*?"(.*)"$/gm)].flatMap((match) => numbersOf(match[1]!)));
  const leftOut = new Set(outcome.leftOut.flatMap(({ test }) => numbersOf(test)));
  const brokeOff = outcome.faults.length > 0 && failed.size === 0;
  return new Map([...numbers].map((number): [string, State] => [
    number,
    failed.has(number) ? "failed" : brokeOff || leftOut.has(number) ? "not run" : "passed",
  ]));
}

async function runFiles(files: readonly string[]): Promise<readonly FileRun[]> {
  const stop = new AbortController();
  process.once("SIGINT", () => {
    stop.abort();
    process.exit(130);
  });
  const env = {
    ...process.env,
    PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env["PATH"] ?? ""}`,
    NODE_COMPILE_CACHE: join(root, ".cache", "compile"),
    NO_COLOR: "1",
  };
  const waiting = [...files];
  const runs: FileRun[] = [];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const command = { program: process.execPath, args: [] };
      runs.push(await startFile(command, file, { cwd: root, env, deadlineMs, signal: stop.signal }));
    }
  };
  await Promise.all([worker(), worker()]);
  return runs;
}

/** Of several files: one that fails counts, else one that passes. */
const severity: Readonly<Record<State, number>> = { failed: 2, passed: 1, "not run": 0 };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { required: { type: "boolean", default: false }, list: { type: "boolean", default: false } },
});
const asked = statementsOf(checklists).filter((number) =>
  (!values.required || required.has(number)) &&
  (positionals.length === 0 || positionals.some((pattern) => number.startsWith(pattern)))
);
const borne = new Map([...bearers()].filter(([, numbers]) => asked.some((number) => numbers.has(number))));
const states = new Map<string, State>();
if (!values.list) {
  for (const run of await runFiles([...borne.keys()])) {
    for (const [number, state] of judge(run, borne.get(run.file)!)) {
      const known = states.get(number);
      if (known === undefined || severity[state] > severity[known]) states.set(number, state);
    }
  }
}
const counts = new Map<string, number>();
let owed = 0;
for (const number of asked) {
  const files = [...borne].filter(([, numbers]) => numbers.has(number)).map(([file]) => file);
  const state = states.get(number) ?? (files.length === 0 ? "missing" : "not run");
  counts.set(state, (counts.get(state) ?? 0) + 1);
  if (required.has(number) && state !== "passed") owed++;
  console.log(
    `${number}  ${state.padEnd(8)}${required.has(number) ? "  owed" : "      "}  ${
      files.join(" ") || (leftOut[number] ?? "")
    }`.trimEnd(),
  );
}
console.log(["passed", "failed", "not run", "missing"].map((state) => `${counts.get(state) ?? 0} ${state}`).join(", "));
process.exit(values.list || owed + (counts.get("failed") ?? 0) === 0 ? 0 : 1);
