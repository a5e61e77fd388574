/** One program as a child process: started again when it crashes, stopped with everything that it started itself. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import type { Clock, Timer } from "../../contract/runtime.ts";
import { LineSplitter } from "./lines.ts";

/** How to start a program. */
export interface ChildSpec {
  /** Run by `/bin/sh -c`. */
  readonly command: string;
  readonly directory: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** How a program ended. */
export interface Exit {
  /** Null when a signal ended it, or it could not be started. */
  readonly code: number | null;
  /** In words: `exit code 3`, `signal SIGSEGV`, `could not be started: …`. */
  readonly text: string;
}

export interface ChildEvents {
  /** It runs; called for each start. */
  readonly onStart: (pid: number | undefined) => void;
  readonly onLine: (stream: "stdout" | "stderr", line: string) => void;
  /** It ended by itself with code 0: its input has ended, and it is not started again. */
  readonly onDone: () => void;
  /** It ended in another way, and is started again after `retryMs`; null: it is not. */
  readonly onCrash: (exit: Exit, retryMs: number | null) => void;
}

export interface ChildOptions extends ChildEvents {
  readonly spec: ChildSpec;
  readonly clock: Clock;
  /** Whether it is started again after a crash. */
  readonly restart: boolean;
  /** It has no input that could end: code 0 is a crash like any other, unless `stop` was called. */
  readonly isService?: boolean;
}

const firstRetryMs = 500;
const maxRetryMs = 10_000;
// Who ran this long has not crashed at its start.
const steadyMs = 10_000;
/** How long a program may take to end after SIGTERM, before SIGKILL. */
export const killAfterMs = 5_000;

export class Child {
  readonly #options: ChildOptions;
  #process: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();
  #retry: Timer | null = null;
  #crashes = 0;
  #isStopping = false;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#start();
  }

  /** Process id while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Sends SIGTERM to the program and its children, SIGKILL after `limitMs`, and settles when they are gone. */
  async stop(limitMs = killAfterMs): Promise<void> {
    this.#isStopping = true;
    this.#retry?.cancel();
    this.#retry = null;
    if (this.#process === null) return;
    this.#kill("SIGTERM");
    const kill = this.#options.clock.after(limitMs, () => this.#kill("SIGKILL"));
    await this.#ended;
    kill.cancel();
  }

  #start(): void {
    const { spec: { command, directory, env }, clock, onLine } = this.#options;
    const startedMs = clock.monotonicMs();
    // A process group of its own: the shell is not the program, and both must hear the signal.
    const child = spawn("/bin/sh", ["-c", command], {
      cwd: directory,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    child.once("spawn", () => this.#options.onStart(child.pid));
    for (const stream of ["stdout", "stderr"] as const) {
      const lines = new LineSplitter((line) => onLine(stream, line));
      child[stream].on("data", (bytes: Uint8Array) => lines.push(bytes));
      child[stream].on("end", () => lines.end());
    }
    this.#ended = new Promise((resolve) => {
      const end = (exit: Exit) => {
        if (this.#process !== child) return;
        this.#process = null;
        // What the program started does not outlive it.
        signalGroup(child.pid, "SIGKILL");
        resolve();
        this.#end(exit, clock.monotonicMs() - startedMs);
      };
      child.once("error", (error) => end({ code: null, text: `could not be started: ${error.message}` }));
      // After `close` no more output comes; something that the program left behind may keep its output open.
      child.once("close", (code, signal) => end(exitOf(code, signal)));
      child.once("exit", (code, signal) => clock.after(1_000, () => end(exitOf(code, signal))));
    });
  }

  #end(exit: Exit, ranMs: number): void {
    if (this.#isStopping) return;
    if (exit.code === 0 && !this.#options.isService) return this.#options.onDone();
    if (!this.#options.restart) return this.#options.onCrash(exit, null);
    if (ranMs >= steadyMs) this.#crashes = 0;
    const retryMs = Math.min(firstRetryMs * 2 ** this.#crashes++, maxRetryMs);
    this.#retry = this.#options.clock.after(retryMs, () => this.#start());
    this.#options.onCrash(exit, retryMs);
  }

  #kill(signal: "SIGTERM" | "SIGKILL"): void {
    signalGroup(this.#process?.pid, signal);
  }
}

function signalGroup(pid: number | undefined, signal: "SIGTERM" | "SIGKILL"): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Nothing is left of the group; macOS says EPERM of one whose last member has not been waited for.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}

function exitOf(code: number | null, signal: string | null): Exit {
  return { code, text: code === null ? `signal ${signal}` : `exit code ${code}` };
}
