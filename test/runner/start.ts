// One test file in a process of its own, with a deadline: an open handle hangs uvu for ever, and a file that changes
// global state must not reach the next one.

import { spawn } from "node:child_process";
import type { FileRun } from "./outcome.ts";

export type Command = { readonly program: string; readonly args: readonly string[] };

/** Output kept per file; what is older is cut from what the reader sees. */
const maxOutputChars = 2_000_000;

/** How long a file's pipes may stay open after its end before what still holds them is ended too. */
const lingerMs = 1_000;

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // the group is empty: nothing was left behind
  }
}

/** Runs `command` with `file` as its last argument. Never rejects; children that outlive the file are ended. */
export function startFile(
  command: Command,
  file: string,
  options: {
    readonly cwd: string;
    readonly env: NodeJS.ProcessEnv;
    readonly deadlineMs: number;
    readonly signal: AbortSignal;
  },
): Promise<FileRun> {
  return new Promise((resolve) => {
    const started = performance.now();
    const parts = { stdout: "", stderr: "", output: "" };
    let overdue = false;
    const child = spawn(command.program, [...command.args, file], {
      cwd: options.cwd,
      env: options.env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // a group of its own, so that its children can be ended with it
    });
    const stop = () => killGroup(child.pid);
    const deadline = setTimeout(() => {
      overdue = true;
      stop();
    }, options.deadlineMs);
    options.signal.addEventListener("abort", stop, { once: true });
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        parts[name] = (parts[name] + text).slice(-maxOutputChars);
        parts.output = (parts.output + text).slice(-maxOutputChars);
      });
    }
    const end = (exitCode: number | null, signal: string | null) => {
      clearTimeout(deadline);
      options.signal.removeEventListener("abort", stop);
      stop();
      resolve({ file, ...parts, exitCode, signal, overdue, durationMs: performance.now() - started });
    };
    child.on("error", (error) => {
      parts.output += `${error.message}\n`;
      end(null, "a failed start");
    });
    child.on("exit", () => setTimeout(stop, lingerMs).unref());
    child.on("close", end);
  });
}
