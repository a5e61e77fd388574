/** What is measured: our hub as its CLI starts it, and the baselines, each as a child process. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { fileURLToPath } from "node:url";
import type { Protocol } from "./job.ts";
import { toolPath } from "../test/support/tools.ts";
import { writeStory } from "./story.ts";

export const subjectNames = [
  ...["bobravoz", "bobravoz-credits", "connect-node", "grpc-js", "grpc-go", "grpc-go-raw", "tcp-pipe"] as const,
];
export type SubjectName = typeof subjectNames[number];
const goRelay = toolPath("interop");
/** Subjects that cannot be measured here, with the command that changes that. */
export const leftOut: ReadonlyMap<SubjectName, string> = new Map(
  goRelay === null ? [["grpc-go", "npm run tools"], ["grpc-go-raw", "npm run tools"]] : [],
);
export const baselines = (["connect-node", "grpc-js", "grpc-go", "grpc-go-raw", "tcp-pipe"] as const)
  .filter((name) => !leftOut.has(name));

export interface Subject {
  readonly name: SubjectName;
  readonly pid: number;
  readonly port: number;
  readonly protocol: Protocol;
  readonly returnsCredits: boolean;
  /** Packets that our hub counted as dropped since its start; null for a baseline. */
  dropped(): Promise<number | null>;
  /** Ends the process and removes what it was given. */
  stop(): Promise<void>;
}

export interface SubjectOptions {
  /** StoryRuns that our hub holds plans of. */
  readonly runs: number;
  /** How our hub is started: from source, or as the image ships it. */
  readonly hubCommand: readonly string[];
  /** Folder into which Node writes a CPU profile of our hub; null for none. */
  readonly profileTo: string | null;
}

/** Command of our hub from source on Node. */
export const sourceCommand = [process.execPath, pathOf("../src/bin/bobravoz.ts")] as const;
/** Command of our hub as one bundled file on Node; `makeBundles` makes it. */
export const bundledCommand = [process.execPath, pathOf("../dist/bobravoz.mjs")] as const;

/** Command of the hub alone, as the image starts it: without a subcommand. */
export const imageCommand = [process.execPath, pathOf("../dist/hub.mjs")] as const;

/** Makes both bundles of what the source is now. */
export function makeBundles(): void {
  execFileSync(process.execPath, [pathOf("../scripts/bundle.ts")], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Command of a program of ours on Deno. */
export function denoCommand(program: string): readonly string[] {
  return [pathOf("../node_modules/.bin/deno"), "run", "--allow-all", program];
}

const startLimitMs = 15_000;
const stopLimitMs = 10_000;

const starters = {
  "bobravoz": (options) => startHub("bobravoz", options),
  "bobravoz-credits": (options) => startHub("bobravoz-credits", options),
  "connect-node": () => startRelay("connect-node", "grpc"),
  "grpc-js": () => startRelay("grpc-js", "grpc"),
  "grpc-go": () => startGoRelay("grpc-go", []),
  "grpc-go-raw": () => startGoRelay("grpc-go-raw", ["-raw"]),
  "tcp-pipe": () => startRelay("tcp-pipe", "tcp"),
} satisfies Record<SubjectName, (options: SubjectOptions) => Promise<Subject>>;

/** Starts a subject and waits until it answers. Throws with what it printed when it does not. */
export function startSubject(name: SubjectName, options: SubjectOptions): Promise<Subject> {
  return starters[name](options);
}

/** Runs a command on one core where `taskset` is there and the machine has two; else as the scheduler likes. */
export function pinned(core: 0 | 1, command: readonly string[]): readonly string[] {
  return canPin ? ["taskset", "-c", String(core), ...command] : command;
}

/** Whether subject and load generator get a core each. */
export const canPin = spawnSync("taskset", ["-c", "0,1", "true"]).status === 0;

/** A path relative to this folder. */
export function pathOf(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}

async function startHub(name: SubjectName, options: SubjectOptions): Promise<Subject> {
  const withoutCredits = name === "bobravoz";
  const manifests = writeStory({ withoutCredits, runs: options.runs });
  const [port, healthPort] = await freePorts();
  const profile = options.profileTo === null || !options.hubCommand.includes(process.execPath)
    ? []
    : ["--cpu-prof", `--cpu-prof-dir=${options.profileTo}`];
  const [runtime, ...program] = options.hubCommand;
  const child = start([
    runtime!,
    ...profile,
    ...program,
    "hub",
    "--manifests",
    manifests,
    "--listen",
    `127.0.0.1:${port}`,
    "--health-listen",
    `127.0.0.1:${healthPort}`,
  ]);
  const remove = () => rmSync(manifests, { recursive: true, force: true });
  try {
    await until(child, async () => (await get(healthPort, "/readyz")).status === 200);
  } catch (error) {
    child.process.kill("SIGKILL");
    remove();
    throw error;
  }
  return {
    name,
    pid: child.process.pid!,
    port,
    protocol: "grpc",
    returnsCredits: !withoutCredits,
    async dropped() {
      const { body } = await get(healthPort, "/metrics");
      let sum = 0;
      for (const match of body.matchAll(/^bobravoz_hub_messages_dropped_total(?:\{.*\})? ([0-9.e+]+)/gm)) {
        sum += Number(match[1]);
      }
      return sum;
    },
    async stop() {
      await end(child.process);
      remove();
    },
  };
}

function startRelay(name: SubjectName, protocol: Protocol): Promise<Subject> {
  return startListening(name, protocol, [process.execPath, pathOf(`relays/${name}.ts`)], /^listening ([0-9]+)$/m);
}

/** The relay on grpc-go, which `npm run tools` builds: decoded and encoded again, or bytes passed through. */
function startGoRelay(name: SubjectName, flags: readonly string[]): Promise<Subject> {
  if (goRelay === null) throw new Error(`${name} is not built: npm run tools`);
  return startListening(name, "grpc", [goRelay, "relay", ...flags], /"address":"127\.0\.0\.1:([0-9]+)"/);
}

async function startListening(
  name: SubjectName,
  protocol: Protocol,
  command: readonly string[],
  announced: RegExp,
): Promise<Subject> {
  const child = start(command);
  let port = 0;
  await until(child, () => {
    port = Number(announced.exec(child.printed())?.[1] ?? 0);
    return Promise.resolve(port > 0);
  });
  return {
    name,
    pid: child.process.pid!,
    port,
    protocol,
    returnsCredits: false,
    dropped: () => Promise.resolve(null),
    stop: () => end(child.process),
  };
}

interface Child {
  readonly process: ChildProcess;
  /** The last that it printed, on both outputs. */
  printed(): string;
}

function start(command: readonly string[]): Child {
  const [program, ...rest] = pinned(0, command);
  const child = spawn(program!, rest, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  const keep = (chunk: Buffer) => void (text = (text + chunk.toString()).slice(-4000));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  return { process: child, printed: () => text };
}

async function until(child: Child, isReady: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + startLimitMs;
  while (performance.now() < limit) {
    if (child.process.exitCode !== null || child.process.signalCode !== null) break;
    if (await isReady().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const command = child.process.spawnargs.join(" ");
  throw new Error(`did not start: ${command}\n${child.printed()}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopLimitMs);
  await exited;
  clearTimeout(timer);
}

/** Two ports that are free now, both held until both are known. */
export async function freePorts(): Promise<[number, number]> {
  const servers = [net.createServer(), net.createServer()];
  const ports = await Promise.all(servers.map((server) =>
    new Promise<number>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => resolve((server.address() as net.AddressInfo).port)); // TCP has a port
    })
  ));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0]!, ports[1]!];
}

function get(port: number, path: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, path, host: "127.0.0.1", timeout: 2000 }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => body += text);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error(`no answer from port ${port}`)));
  });
}
