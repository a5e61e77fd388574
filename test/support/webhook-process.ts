/** `bobravoz webhook` as a process of its own, on the runtime of the test. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { Signal, within } from "./deadline.ts";
import { root } from "./sources.ts";

type Line = Readonly<Record<string, unknown>>;

export interface WebhookProcess extends AsyncDisposable {
  /** `host:port` of the HTTPS port; settles once it listens. */
  address(): Promise<string>;
  /** `http://host:port` of the probes. */
  readonly probes: string;
  /** Settles with the first line of this message after those that `from` counts. */
  logged(message: string, ms?: number, from?: number): Promise<Line>;
  readonly lines: readonly Line[];
  stop(signal: "SIGKILL" | "SIGTERM"): Promise<number | null>;
}

export interface WebhookProcessOptions {
  readonly kubeconfig: string;
  /** Folder of tls.crt and tls.key. */
  readonly certificates: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts one with free ports and settles when it answers probes; fails with what it wrote where it does not. */
export async function startWebhook(options: WebhookProcessOptions): Promise<WebhookProcess> {
  const { kubeconfig, certificates, args = ["--listen=127.0.0.1:0"], env = {} } = options;
  const runtime = "Deno" in globalThis ? ["run", "--no-check", "-A"] : [];
  const program = join(root, "src", "bin", "bobravoz.ts");
  const own = ["--webhook-cert-path", certificates, "--health-probe-bind-address=127.0.0.1:0"];
  const child: ChildProcess = spawn(process.execPath, [...runtime, program, "webhook", ...own, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, KUBECONFIG: kubeconfig, ...env },
  });
  const signal = new Signal();
  const lines: Line[] = [];
  let rest = "";
  let all = "";
  let isEnded = false;
  child.stderr?.setEncoding("utf8").on("data", (more: string) => {
    all += more;
    const parts = (rest + more).split("\n");
    rest = parts.pop() ?? "";
    // what a runtime itself prints is no JSON
    for (const line of parts) if (line.startsWith("{")) lines.push(JSON.parse(line) as Line);
    signal.notify();
  });
  const exited = new Promise<number | null>((resolve) =>
    child.once("close", (code) => {
      isEnded = true;
      signal.notify();
      resolve(code);
    })
  );
  const logged = async (message: string, ms = 15_000, from = 0): Promise<Line> => {
    const find = () => lines.slice(from).find((line) => line["message"] === message) ?? (isEnded ? all : undefined);
    const found = await signal.until(message, find, ms).catch((error: Error) => {
      throw new Error(`${error.message}; it wrote: ${all}`);
    });
    if (typeof found === "string") throw new Error(`the webhook ended: ${found}`);
    return found;
  };
  const dispose = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  const up = await logged("webhook answers probes", 20_000).catch(async (error: unknown) => {
    await dispose();
    throw error;
  });
  return {
    address: async () => String((await logged("webhook listens"))["address"]),
    probes: `http://${up["address"]}`,
    logged,
    lines,
    stop(name) {
      // child.kill() of Deno 2.9 makes every exit after it one by that signal
      process.kill(child.pid!, name);
      return within(12_000, "the end of the webhook", exited);
    },
    [Symbol.asyncDispose]: dispose,
  };
}
