/** Arguments of `npm run bench`. */
import { parseArgs } from "node:util";
import { leftOut, type SubjectName, subjectNames } from "./subjects.ts";

export interface BenchOptions {
  readonly jsonFile: string | null;
  readonly subjects: readonly SubjectName[];
  readonly packetBytes: readonly number[];
  /** One of the two measures alone; null for both. */
  readonly measure: "saturated" | "paced" | null;
  readonly rounds: number;
  readonly warmSeconds: number;
  readonly seconds: number;
  readonly runtime: "node" | "bundled" | "deno";
  /** Program that stands in for `src/bin/bobravoz.ts`, to compare two versions; null for our own. */
  readonly program: string | null;
  readonly profileTo: string | null;
  /** Parts of the bench; all but a chosen few when some are named. */
  readonly parts: ReadonlySet<Part>;
}

const parts = ["relay", "idle", "startup", "discovery"] as const;
export type Part = typeof parts[number];

export const usage = `npm run bench -- [OPTION]…

  --json FILE         writes the figures as JSON too
  --only SUBJECT,…    ${subjectNames.join(", ")}
  --sizes BYTES,…     packet sizes (default 381,837,65536)
  --measure NAME      saturated or paced alone
  --rounds N          rounds of which medians are taken (default 3)
  --quick             one round of one second per case
  --relay, --idle, --startup, --discovery
                      only these parts (default: all)
  --bundled, --deno   runs our hub from dist/bobravoz.mjs, or under Deno
  --program FILE      runs our hub from another file, to compare versions
  --profile DIR       writes a CPU profile of our hub and prints its top functions`;

/** Parses; answers null for \`--help\`. Throws a plain Error that names the argument. */
export function parseOptions(args: readonly string[]): BenchOptions | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", short: "h" },
      json: { type: "string" },
      only: { type: "string" },
      sizes: { type: "string", default: "381,837,65536" },
      measure: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      relay: { type: "boolean", default: false },
      idle: { type: "boolean", default: false },
      startup: { type: "boolean", default: false },
      discovery: { type: "boolean", default: false },
      bundled: { type: "boolean", default: false },
      deno: { type: "boolean", default: false },
      program: { type: "string" },
      profile: { type: "string" },
    },
  });
  if (values.help === true) return null;
  const named = parts.filter((part) => values[part]);
  return {
    jsonFile: values.json ?? null,
    subjects: values.only === undefined
      ? subjectNames.filter((name) => !leftOut.has(name))
      : values.only.split(",").map(subjectOf),
    packetBytes: values.sizes.split(",").map((text) => positive("--sizes", text)),
    measure: values.measure === undefined ? null : measureOf(values.measure),
    rounds: values.rounds === undefined ? (values.quick ? 1 : 3) : positive("--rounds", values.rounds),
    warmSeconds: values.quick ? 0.5 : 1,
    seconds: values.quick ? 1 : 2,
    runtime: values.bundled ? "bundled" : values.deno ? "deno" : "node",
    program: values.program ?? null,
    profileTo: values.profile ?? null,
    parts: new Set(named.length === 0 ? parts : named),
  };
}

function subjectOf(text: string): SubjectName {
  const name = subjectNames.find((known) => known === text.trim());
  if (name === undefined) throw new Error(`--only: no subject "${text}", there are ${subjectNames.join(", ")}`);
  return name;
}

function measureOf(text: string): "saturated" | "paced" {
  if (text === "saturated" || text === "paced") return text;
  throw new Error(`--measure: "${text}" is neither saturated nor paced`);
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${option}: "${text}" is not a positive whole number`);
  return value;
}
