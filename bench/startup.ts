/** Start-up of our hub: from the start of the process to the first answered health check, and idle memory. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import * as http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rssBytes } from "./process-stat.ts";
import { fixed, median, tableText } from "./report.ts";
import { writeStory } from "./story.ts";
import { bundledCommand, denoCommand, freePorts, imageCommand, makeBundles, sourceCommand } from "./subjects.ts";

export interface StartupRow {
  readonly variant: string;
  readonly startMs: number | null;
  readonly idleRssBytes: number | null;
}

const limitMs = 15_000;
/** How long a started hub rests before its memory is read. */
const restMs = 1500;

interface Variant {
  readonly name: string;
  readonly command: readonly string[];
  /** Arguments before those that every variant gets. */
  readonly subcommand: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Starts each variant once to fill caches, then `rounds` times; bundles are made anew first. */
export async function benchStartup(rounds: number): Promise<readonly StartupRow[]> {
  const cache = mkdtempSync(join(tmpdir(), "bobravoz-cache-"));
  const manifests = writeStory({ withoutCredits: false, runs: 1 });
  makeBundles();
  const cached = { NODE_COMPILE_CACHE: cache };
  const variants: readonly Variant[] = [
    { name: "node, dist/hub.mjs, compile cache: the image", command: imageCommand, subcommand: [], env: cached },
    { name: "node, dist/bobravoz.mjs", command: bundledCommand, subcommand: ["hub"], env: {} },
    { name: "node, from source", command: sourceCommand, subcommand: ["hub"], env: {} },
    { name: "deno, dist/hub.mjs", command: denoCommand(imageCommand[1]), subcommand: [], env: {} },
    { name: "deno, from source", command: denoCommand(sourceCommand[1]), subcommand: ["hub"], env: {} },
  ];
  const rows: StartupRow[] = [];
  try {
    for (const variant of variants) {
      await startOnce(variant, manifests);
      const starts: number[] = [];
      const memory: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const { startMs, idleRssBytes } = await startOnce(variant, manifests);
        starts.push(startMs);
        if (idleRssBytes !== null) memory.push(idleRssBytes);
      }
      rows.push({ variant: variant.name, startMs: median(starts), idleRssBytes: median(memory) });
    }
  } finally {
    for (const directory of [cache, manifests]) rmSync(directory, { recursive: true, force: true });
  }
  const lines = rows.map((row) => [
    row.variant,
    fixed(row.startMs, 0),
    fixed(row.idleRssBytes === null ? null : row.idleRssBytes / 1024 / 1024, 1),
  ]);
  console.log(`start-up of the hub\n${tableText([["", "ms to first health check", "idle MiB"], ...lines])}\n`);
  return rows;
}

async function startOnce(variant: Variant, manifests: string) {
  const [port, healthPort] = await freePorts();
  const [program, ...rest] = [
    ...variant.command,
    ...variant.subcommand,
    "--manifests",
    manifests,
    "--listen",
    `127.0.0.1:${port}`,
    "--health-listen",
    `127.0.0.1:${healthPort}`,
  ];
  const begin = performance.now();
  const child = spawn(program!, rest, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...variant.env },
  });
  let printed = "";
  child.stderr.on("data", (chunk: Buffer) => printed = (printed + chunk.toString()).slice(-4000));
  try {
    while (!await isServing(port)) {
      if (hasEnded(child) || performance.now() - begin > limitMs) {
        throw new Error(`${variant.name} did not answer: ${[program, ...rest].join(" ")}\n${printed}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const startMs = performance.now() - begin;
    await new Promise((resolve) => setTimeout(resolve, restMs));
    return { startMs, idleRssBytes: rssBytes(child.pid!) };
  } finally {
    await stopped(child);
  }
}

/** Asks `grpc.health.v1` whether the server as a whole is serving; false for anything but a yes within a second. */
function isServing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const timer = setTimeout(() => session.destroy(), 1000);
    let isYes = false;
    session.once("error", () => session.destroy());
    session.once("close", () => {
      clearTimeout(timer);
      resolve(isYes);
    });
    session.once("connect", () => {
      const stream = session.request({
        ":method": "POST",
        ":path": "/grpc.health.v1.Health/Check",
        "content-type": "application/grpc",
        te: "trailers",
      });
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", () => session.destroy());
      stream.on("close", () => {
        // HealthCheckResponse {status: SERVING} behind gRPC's five bytes
        isYes = Buffer.concat(chunks).subarray(5).equals(Buffer.from([8, 1]));
        session.destroy();
      });
      stream.end(Buffer.alloc(5));
    });
  });
}

async function stopped(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  // an orderly end, since Node writes its compile cache then
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 3000);
  await exited;
  clearTimeout(timer);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
