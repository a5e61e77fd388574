/** Runs every vector file of a folder against our own code and counts; says of every other file why it was left out. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { difference } from "./compare.ts";
import type { Result, Topic, VectorCase } from "./topic.ts";
import { topics } from "./topics.ts";

/** Files whose topic a later version builds. */
const laterTopics = /^(?:hub-functions|templating(?:-.*)?)\.json$/;

/** Folders with vectors of another kind, which have suites of their own. */
const otherFolders: ReadonlySet<string> = new Set(["cluster"]);

/** Folders that are no vectors, or that are replayed over sockets (`conversation/run.ts`). */
const quietFolders: ReadonlySet<string> = new Set(["conversations", "conversation", "topics"]);

/** Failing cases that are shown of a file. */
const shownFailures = 5;

/** A line of `differences.json`: a rule of DECISIONS by which cases of a file may differ. */
interface Difference {
  readonly file: string;
  readonly rule: string;
  readonly reason: string;
}

export interface Counts {
  readonly passed: number;
  readonly different: number;
  readonly failed: number;
}

/** Runs the vector files in `folder`, in order of their names; `print` gets one line or more for each. */
export function runVectors(folder: string, print: (line: string) => void): Counts {
  const differences = readDifferences();
  let total: Counts = { passed: 0, different: 0, failed: 0 };
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => a.name < b.name ? -1 : 1);
  for (const entry of entries) {
    if (entry.isDirectory()) {
      if (quietFolders.has(entry.name)) continue;
      if (otherFolders.has(entry.name)) print(`${entry.name}/: left to its own suite`);
      continue;
    }
    if (!entry.name.endsWith(".json") || entry.name === "differences.json") continue;
    const topic = topics[entry.name];
    if (topic === undefined) {
      print(`${entry.name}: ${laterTopics.test(entry.name) ? "topic not built yet" : "unknown file"}, not counted`);
      continue;
    }
    const allowed = differences.filter((line) => line.file === entry.name).map((line) => line.rule);
    const counts = runFile(join(folder, entry.name), entry.name, topic, new Set(allowed), print);
    total = {
      passed: total.passed + counts.passed,
      different: total.different + counts.different,
      failed: total.failed + counts.failed,
    };
  }
  return total;
}

function readDifferences(): readonly Difference[] {
  const text = readFileSync(new URL("differences.json", import.meta.url), "utf8");
  return JSON.parse(text) as readonly Difference[];
}

function runFile(
  path: string,
  name: string,
  topic: Topic,
  allowed: ReadonlySet<string>,
  print: (line: string) => void,
): Counts {
  let cases: readonly VectorCase[];
  try {
    cases = readCases(path);
  } catch (error) {
    print(`${name}: failed, ${error instanceof Error ? error.message : String(error)}`);
    return { passed: 0, different: 0, failed: 1 };
  }
  const failures: string[] = [];
  let passed = 0;
  let different = 0;
  for (const vector of cases) {
    const outcome = judge(vector, topic, allowed);
    if (outcome === "passed") passed++;
    else if (outcome === "different") different++;
    else failures.push(`  ${vector.name}: ${outcome.failure}`);
  }
  const word = failures.length > 0 ? "failed" : different > 0 ? "different on purpose" : "passed";
  print(`${name}: ${word} (${passed} passed, ${different} different on purpose, ${failures.length} failed)`);
  for (const failure of failures.slice(0, shownFailures)) print(failure);
  if (failures.length > shownFailures) print(`  … and ${failures.length - shownFailures} more`);
  return { passed, different, failed: failures.length };
}

function readCases(path: string): readonly VectorCase[] {
  const cases: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (!Array.isArray(cases)) throw new Error("not a list of cases");
  return cases as readonly VectorCase[];
}

function judge(
  vector: VectorCase,
  topic: Topic,
  allowed: ReadonlySet<string>,
): "passed" | "different" | { readonly failure: string } {
  let result: Result;
  try {
    result = topic(vector.input);
  } catch (error) {
    return { failure: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
  const { answer, changed } = result;
  const found = difference(vector, answer);
  if (found === null) return "passed";
  // A difference counts as meant only where our answer is exactly what the changed rule says.
  if (changed !== undefined && allowed.has(changed.rule) && difference(changed.answer, answer) === null) {
    return "different";
  }
  return { failure: found };
}

/** The closing line. */
export function summary({ passed, different, failed }: Counts): string {
  return `${passed} passed, ${different} different on purpose, ${failed} failed`;
}
