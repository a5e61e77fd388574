// Runs a program with a deadline and gives what it printed.

import { spawn } from "node:child_process";

export interface Finished {
  readonly output: string;
  /** Null where it was ended at its deadline. */
  readonly exitCode: number | null;
}

export function runCommand(program: string, args: readonly string[], deadlineMs: number): Promise<Finished> {
  return new Promise((resolve, reject) => {
    // a group of its own: the suite's child goes with it
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk);
    const timer = setTimeout(() => process.kill(-child.pid!, "SIGKILL"), deadlineMs);
    child.once("error", reject);
    child.once("close", (exitCode) => {
      clearTimeout(timer);
      resolve({ output, exitCode });
    });
  });
}
