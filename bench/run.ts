/**
 * `npm run bench`: our hub beside a connect-node relay, a grpc-js relay and a TCP pipe, under the same load.
 * Subjects run in turns within each round, so that what else the machine does meets all of them alike.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { benchIdle } from "./idle.ts";
import type { LoadResult } from "./job.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { printProfiles } from "./profile.ts";
import { aimsText, type Case, caseText, type Row, rowOf } from "./report.ts";
import { runJob } from "./run-job.ts";
import { benchStartup } from "./startup.ts";
import {
  bundledCommand,
  canPin,
  denoCommand,
  leftOut,
  makeBundles,
  sourceCommand,
  startSubject,
  type Subject,
  type SubjectOptions,
} from "./subjects.ts";

const pacedRates = [2000, 20_000] as const;
/** Above this many bytes per second no subject follows, the TCP pipe neither: such a pace says nothing. */
const maxPacedBytesPerSecond = 256 * 1024 * 1024;

await main();

async function main(): Promise<void> {
  let options: BenchOptions | null;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`); // parseOptions throws Errors only
    process.exitCode = 2;
    return;
  }
  if (options === null) {
    console.log(usage);
    return;
  }
  if (options.runtime === "bundled") makeBundles();
  if (options.profileTo !== null) mkdirSync(options.profileTo, { recursive: true });
  const machine = {
    node: process.version,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    pinned: canPin,
    loadAverage: loadavg()[0],
    hub: options.runtime,
    rounds: options.rounds,
    secondsPerCase: options.seconds,
  };
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load ${machine.loadAverage?.toFixed(2)}`);
  console.log(`${canPin ? "subject on core 0, load on core 1" : "not pinned"}, medians of ${options.rounds}\n`);
  for (const [name, command] of leftOut) console.log(`${name} is left out: ${command} builds it`);
  const subjectOptions = { runs: 1, hubCommand: hubCommand(options), profileTo: options.profileTo };
  const report: Record<string, unknown> = { machine };
  if (options.parts.has("relay")) report["rows"] = await benchRelay(options, subjectOptions);
  if (options.parts.has("idle")) report["idle"] = await benchIdle(options, { ...subjectOptions, profileTo: null });
  if (options.parts.has("startup")) report["startup"] = await benchStartup(options.rounds);
  if (options.parts.has("discovery")) report["discovery"] = await runDiscovery();
  if (options.profileTo !== null) printProfiles(options.profileTo);
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
}

function hubCommand({ runtime, program }: BenchOptions): readonly string[] {
  const [node, source] = runtime === "bundled" ? bundledCommand : sourceCommand;
  return runtime === "deno" ? denoCommand(program ?? source) : [node, program ?? source];
}

async function benchRelay(options: BenchOptions, subjectOptions: SubjectOptions): Promise<readonly Row[]> {
  const cases = casesOf(options);
  const subjects: Subject[] = [];
  const results = new Map<string, LoadResult[]>();
  const key = (subject: Subject, of: Case) => `${subject.name} ${JSON.stringify(of)}`;
  try {
    for (const name of options.subjects) subjects.push(await startSubject(name, subjectOptions));
    for (let round = 0; round < options.rounds; round++) {
      for (const of of cases) {
        for (const subject of subjects) {
          const { protocol, port, pid, returnsCredits } = subject;
          const { warmSeconds, seconds } = options;
          const target = { protocol, port, pid, returnsCredits, warmSeconds, seconds, packetBytes: of.packetBytes };
          const job = of.ratePerSecond === undefined
            ? { ...target, measure: "saturated" as const }
            : { ...target, measure: "paced" as const, ratePerSecond: of.ratePerSecond };
          const result = await runJob(job).catch((error: Error) => {
            throw new Error(`${key(subject, of)}: ${error.message}`, { cause: error });
          });
          const all = results.get(key(subject, of)) ?? [];
          results.set(key(subject, of), [...all, result]);
        }
      }
    }
    const dropped = new Map<Subject, number | null>();
    for (const subject of subjects) dropped.set(subject, await subject.dropped());
    const rows = cases.flatMap((of) =>
      subjects.map((subject) => rowOf(subject.name, of, results.get(key(subject, of))!, dropped.get(subject)!))
    );
    printRelay(cases, rows);
    return rows;
  } finally {
    for (const subject of subjects) await subject.stop();
  }
}

function casesOf({ packetBytes, measure }: BenchOptions): readonly Case[] {
  const cases: readonly Case[] = [
    ...packetBytes.map((bytes): Case => ({ packetBytes: bytes, measure: "saturated" })),
    ...pacedRates.flatMap((ratePerSecond) =>
      packetBytes
        .filter((bytes) => bytes * ratePerSecond <= maxPacedBytesPerSecond)
        .map((bytes): Case => ({ packetBytes: bytes, measure: "paced", ratePerSecond }))
    ),
  ];
  return cases.filter((of) => measure === null || of.measure === measure);
}

function printRelay(cases: readonly Case[], rows: readonly Row[]): void {
  for (const of of cases) {
    console.log(`${caseText(of, rows.filter((row) => isOf(row, of)))}\n`);
  }
  const aims = aimsText(rows);
  if (aims !== "") console.log(`${aims}\n`);
  const lost = rows.filter((row) => row.lost > 0 || (row.dropped ?? 0) > 0);
  if (lost.length === 0) return;
  for (const row of lost) {
    console.error(
      `${row.subject}, ${row.packetBytes} B ${row.measure}: ${row.lost} did not arrive, hub dropped ${
        row.dropped ?? 0
      }`,
    );
    // a baseline may be too slow for a pace; ours must deliver
    if (row.dropped !== null) process.exitCode = 1;
  }
}

function isOf(row: Row, of: Case): boolean {
  return row.packetBytes === of.packetBytes && row.measure === of.measure && row.ratePerSecond === of.ratePerSecond;
}

/** Discovery at scale. Imported only here, since it loads the control plane. */
async function runDiscovery(): Promise<unknown> {
  const { benchDiscovery } = await import("./discovery.ts");
  return await benchDiscovery();
}
