/** Runs our programs on grpc-go and reads the JSON lines that they print. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { within } from "./deadline.ts";

/** A line: `event` and its fields. */
export interface InteropLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface InteropRun extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly lines: readonly InteropLine[];
  /** Settles at the `count`th line of this event from now or before; fails after `ms`. */
  line(event: string, count?: number, ms?: number): Promise<InteropLine>;
  /** Exit code, once it has ended. */
  exited(ms?: number): Promise<number | null>;
}

export function runInterop(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): InteropRun {
  const child = spawn(path, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...env } });
  const lines: InteropLine[] = [];
  let wake: () => void = () => {};
  createInterface({ input: child.stdout }).on("line", (text) => {
    lines.push(JSON.parse(text) as InteropLine);
    wake();
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  void ended.then(() => wake());
  const find = (event: string, count: number) => lines.filter((line) => line.event === event)[count - 1];
  return {
    child,
    lines,
    async line(event, count = 1, ms = 10_000) {
      const found = async () => {
        for (;;) {
          const line = find(event, count);
          if (line !== undefined) return line;
          if (child.exitCode !== null) {
            throw new Error(`it ended before ${event} ${count}: ${JSON.stringify(lines.slice(-3))}`);
          }
          await new Promise<void>((resolve) => wake = resolve);
        }
      };
      return await within(ms, `${event} ${count}`, found());
    },
    exited: (ms = 10_000) => within(ms, "exit", ended),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
