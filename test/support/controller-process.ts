/** `bobravoz controller` as a process of its own, on the runtime of the test. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { Signal, within } from "./deadline.ts";
import { root } from "./sources.ts";

export interface ControllerProcess extends AsyncDisposable {
  readonly pid: number;
  /** `host:port` of the discovery port. */
  readonly address: string;
  /** `http://host:port` of the probes. */
  readonly probes: string;
  /** `host:port` of the metrics port; empty: none. */
  readonly metrics: string;
  /** Lines of its log. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** Settles once the log has a line with this message, after those that `from` counts. */
  logged(message: string, ms?: number, from?: number): Promise<Readonly<Record<string, unknown>>>;
  /** Sends the signal and settles with the exit code, null where the signal ended it. */
  stop(signal: "SIGKILL" | "SIGTERM"): Promise<number | null>;
}

export interface ControllerProcessOptions {
  readonly kubeconfig: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the sources. */
  readonly program?: string;
}

/** Starts one with free ports and settles when it listens; fails with what it wrote where it does not. */
export async function startController(options: ControllerProcessOptions): Promise<ControllerProcess> {
  const started = launch(options);
  const isUp = () => started.find("controller listens") ?? (started.ended() ? started.text() : undefined);
  const up = await started.signal.until("a controller that listens", isUp, 20_000).catch((error: unknown) => {
    // left alone it would keep the test
    started.child.kill("SIGKILL");
    throw new Error(`${error}: ${started.text()}`);
  });
  if (typeof up === "string") throw new Error(`the controller ended: ${up}`);
  const { child, signal, lines } = started;
  return {
    pid: child.pid!,
    address: String(up["address"]),
    probes: `http://${up["probes"]}`,
    metrics: String(up["metrics"]),
    lines,
    logged: (message, ms = 10_000, from = 0) =>
      signal.until(message, () => lines.slice(from).find((line) => line["message"] === message), ms),
    stop(name) {
      // child.kill() of Deno 2.9 makes every exit after it one by that signal
      process.kill(child.pid!, name);
      return within(12_000, "the end of the controller", started.exited);
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await started.exited;
    },
  };
}

/** Runs one that is expected to end by itself: its exit code and what it wrote. */
export async function failingController(
  options: ControllerProcessOptions,
): Promise<{ readonly code: number | null; readonly text: string }> {
  const started = launch(options);
  const code = await within(20_000, "the end of the controller", started.exited).finally(() =>
    started.child.kill("SIGKILL")
  );
  return { code, text: started.text() };
}

function launch(
  { kubeconfig, args = [], env = {}, program = join(root, "src", "bin", "bobravoz.ts") }: ControllerProcessOptions,
) {
  const runtime = "Deno" in globalThis ? ["run", "--no-check", "-A"] : [];
  const ports = ["--listen=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0"];
  const child: ChildProcess = spawn(
    process.execPath,
    [...runtime, program, "controller", "--kubeconfig", kubeconfig, ...ports, ...args],
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, KUBECONFIG: kubeconfig, ...env } },
  );
  const signal = new Signal();
  const lines: Record<string, unknown>[] = [];
  let rest = "";
  let all = "";
  let isEnded = false;
  child.stderr?.setEncoding("utf8").on("data", (more: string) => {
    all += more;
    const parts = (rest + more).split("\n");
    rest = parts.pop() ?? "";
    // what a runtime itself prints is no JSON
    for (const line of parts) if (line.startsWith("{")) lines.push(JSON.parse(line));
    signal.notify();
  });
  const exited = new Promise<number | null>((resolve) =>
    child.once("close", (code) => {
      isEnded = true;
      signal.notify();
      resolve(code);
    })
  );
  return {
    child,
    signal,
    lines,
    exited,
    ended: () => isEnded,
    text: () => all,
    find: (message: string) => lines.find((line) => line["message"] === message),
  };
}
