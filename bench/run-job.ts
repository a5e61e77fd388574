/** Runs one job in a load generator of its own process. */
import { spawn } from "node:child_process";
import type { IdleJob, IdleResult, Job, LoadResult } from "./job.ts";
import { pathOf, pinned } from "./subjects.ts";

const limitMs = 60_000;

export function runJob(job: IdleJob): Promise<IdleResult>;
export function runJob(job: Exclude<Job, IdleJob>): Promise<LoadResult>;
/** Rejects with what the load generator printed when it fails, or takes more than a minute. */
export function runJob(job: Job): Promise<LoadResult | IdleResult> {
  const [program, ...rest] = pinned(1, [process.execPath, pathOf("load.ts"), JSON.stringify(job)]);
  const child = spawn(program!, rest, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => output += chunk.toString());
  child.stderr.on("data", (chunk: Buffer) => errors = (errors + chunk.toString()).slice(-4000));
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(JSON.parse(output) as LoadResult | IdleResult); // our own program's result
      else reject(new Error(`load generator failed (${code ?? "killed"}): ${errors.trim()}`));
    });
  });
}
