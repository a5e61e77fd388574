// The test runner: `npm test [-- PATTERN…]`, `npm run test:deno`.
//
// Starts each test file in a process of its own with a deadline, two at a time, and trusts the counts that uvu prints,
// not exit codes alone (test/runner/outcome.ts says why). Closes with `N passed, N failed` alone on a line, and after it
// one line that names what was left out for want of a program from elsewhere.
//
//   --deno              run the files on Deno
//   --folder DIR        look for tests there only (may be repeated)
//   --deadline SECONDS  for each file; default 60, three times that on a real API server
//   --jobs N            files at a time; default 2
//   --verbose           a line for each file
//   --cluster           only the tests on a real API server, which is started once for all of them
//   --no-build          build no missing program first, which CI=true otherwise does

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isLeftOutOnDeno } from "./runner/deno.ts";
import { findTests } from "./runner/find.ts";
import { type FileRun, type Outcome, readOutcome } from "./runner/outcome.ts";
import { type Command, startFile } from "./runner/start.ts";
import { bedPrograms } from "./support/apiserver/bed.ts";
import { crdFolder } from "./support/apiserver/crds.ts";
import { hostBed } from "./support/apiserver/host.ts";
import { isOptionalNeed, missingTools } from "./support/tools.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");

/** `test` first: its files take longest, and a long file at the end would run alone. */
const testFolders = ["test", "bench", "examples", "src"].filter((folder) => existsSync(join(root, folder)));

/** Signals by which a runtime ends that crashed itself. */
const runtimeCrashes: ReadonlySet<string> = new Set(["SIGSEGV", "SIGABRT", "SIGILL", "SIGTRAP"]);

/** Whether the runtime crashed, or that of a program which the file had started and told of. */
function hasCrashed(run: FileRun): boolean {
  return runtimeCrashes.has(run.signal ?? "") ||
    (run.exitCode !== 0 && /\bsignal SIG(?:SEGV|ABRT|ILL|TRAP)\b/.test(run.output));
}

/** Lines of a failed file's output that are printed. */
const maxPrintedLines = 200;

/** Where the tests on a real API server lie. */
const clusterFolder = "test/cluster/";

type Done = { readonly run: FileRun; readonly outcome: Outcome };

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      deno: { type: "boolean", default: false },
      folder: { type: "string", multiple: true, default: testFolders },
      deadline: { type: "string", default: "60" },
      jobs: { type: "string", default: "2" },
      verbose: { type: "boolean", default: false },
      cluster: { type: "boolean", default: false },
      "no-build": { type: "boolean", default: false },
    },
  });
  return { ...values, deadlineMs: Number(values.deadline) * 1000, jobs: Number(values.jobs), patterns: positionals };
}

function environment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
    NODE_COMPILE_CACHE: join(root, ".cache", "compile"),
    NO_COLOR: "1",
    DENO_NO_UPDATE_CHECK: "1",
  };
}

function describe({ run, outcome }: Done): string {
  const lines = run.output.trimEnd().split("\n");
  const cut = lines.length - maxPrintedLines;
  const shown = cut > 0 ? [`… ${cut} lines before`, ...lines.slice(cut)] : lines;
  const faults = outcome.faults.map((fault) => `  ${fault}`);
  return [`\nFAILED ${run.file}`, ...faults, ...shown.map((line) => `  | ${line}`), ""].join("\n");
}

async function runAll(files: readonly string[], command: Command, deadlineMs: number, jobs: number, verbose: boolean) {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      stop.abort();
      process.exit(130);
    });
  }
  const waiting = [...files];
  const done: Done[] = [];
  const env = environment();
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const limitMs = file.startsWith(clusterFolder) ? 3 * deadlineMs : deadlineMs;
      const start = () => startFile(command, file, { cwd: root, env, deadlineMs: limitMs, signal: stop.signal });
      let run = await start();
      // Deno 2.9 dies inside of its HTTP/2 library when a client meets a GOAWAY at the wrong moment, which no test
      // can make or avoid; a file that crashes the runtime twice in a row fails.
      if (command.program.endsWith("deno") && hasCrashed(run)) {
        console.log(`${file}: the runtime crashed, run again`);
        run = await start();
      }
      const outcome = readOutcome(run, limitMs);
      done.push({ run, outcome });
      const failed = outcome.failed > 0;
      if (failed) console.log(describe({ run, outcome }));
      if (verbose) console.log(`${failed ? "FAIL" : "ok  "} ${seconds(run)} ${outcome.passed} passed ${file}`);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, worker));
  return done;
}

function seconds(run: FileRun): string {
  return `${(run.durationMs / 1000).toFixed(2).padStart(6)} s`;
}

async function main(): Promise<number> {
  const { deno, folder, cluster, patterns, deadlineMs, jobs, verbose, "no-build": noBuild } = options();
  const inCi = process.env["CI"] === "true";
  if (inCi && !noBuild && missingTools().length > 0) {
    spawnSync(process.execPath, [join(root, "scripts", "tools.ts")], { cwd: root, stdio: "inherit" });
  }
  const found = findTests(root, folder, patterns);
  const files = found.filter((file) => deno ? !isLeftOutOnDeno(file) : !cluster || file.startsWith(clusterFolder));
  if (files.length === 0) {
    console.error(`no test file matches ${patterns.join(" ") || folder.join(" ")}`);
    console.log("0 passed, 1 failed");
    return 1;
  }
  const command: Command = deno
    ? { program: join(bin, "deno"), args: ["run", "--no-check", "-A"] }
    : { program: process.execPath, args: [] };
  const started = performance.now();
  const needsBed = files.some((file) => file.startsWith(clusterFolder)) && bedPrograms() !== null;
  // one API server for all of them, a namespace each
  const bed = needsBed && !process.env["BOBRAVOZ_TEST_BED"] ? await hostBed() : null;
  if (bed !== null) process.env["BOBRAVOZ_TEST_BED"] = bed.url;
  if (needsBed && !crdFolder().areReal) {
    console.log("the API server has our development CRDs: BOBRAVOZ_TEST_CRDS names the real ones");
  }
  let done: Done[];
  try {
    done = await runAll(files, command, deadlineMs, jobs, verbose);
  } finally {
    await bed?.[Symbol.asyncDispose]();
  }

  const passed = done.reduce((sum, { outcome }) => sum + outcome.passed, 0);
  const leftOut = done.flatMap(({ outcome }) => outcome.leftOut);
  const broken = done.filter(({ outcome }) => outcome.failed > 0);
  const missing = leftOut.filter(({ program }) => !isOptionalNeed(program));
  const failed = done.reduce((sum, { outcome }) => sum + outcome.failed, 0) + (inCi ? missing.length : 0);
  const slowest = done.sort((a, b) => b.run.durationMs - a.run.durationMs).slice(0, 5);
  console.log(`\n${files.length} files in ${((performance.now() - started) / 1000).toFixed(1)} s; slowest:`);
  for (const { run } of slowest) console.log(`  ${seconds(run)}  ${run.file}`);
  if (broken.length > 0) console.log(`failed: ${broken.map(({ run }) => run.file).join(", ")}`);
  if (deno) {
    console.log(`${found.length - files.length} files left out on Deno (test/runner/deno.ts says why)`);
  }
  const skipped = !inCi && leftOut.length > 0 ? `, ${leftOut.length} skipped` : "";
  console.log(`\n${passed} passed, ${failed} failed${skipped}`);
  if (leftOut.length > 0) {
    const programs = [...new Set(leftOut.map((test) => test.program))].join(", ");
    console.log(
      `left out for want of a program: ${leftOut.length} tests (${programs}); npm run tools builds what is missing`,
    );
  }
  return failed === 0 && passed > 0 ? 0 : 1;
}

process.exitCode = await main();
