/**
 * `npm run bench:connector [-- --json FILE]`: what connectors cost. Start to ready and idle memory as the image ships
 * them, and one pair of engrams through connector, hub and connector, from connector to connector, and over one gRPC
 * stream without anything between. CPU is that of all processes between the engrams.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import * as http2 from "node:http2";
import { parseArgs } from "node:util";
import { encodeBindingEnvelope } from "../src/contract/binding-info.ts";
import { protocolVersion, requestHeaders } from "../src/contract/names.ts";
import type { LoadResult } from "./job.ts";
import { namespace, runName, steps } from "./pair.ts";
import { rssBytes } from "./process-stat.ts";
import { fixed, median, tableText } from "./report.ts";
import { runJob } from "./run-job.ts";
import { writeStory } from "./story.ts";
import { freePorts, imageCommand, makeBundles, pathOf, pinned } from "./subjects.ts";

const connectorCommand = [process.execPath, pathOf("../dist/connector.mjs")] as const;
const limitMs = 15_000;
/** How long a connector rests before its memory is read. */
const restMs = 1500;

interface Program {
  readonly child: ChildProcess;
  readonly port: number;
}

interface Row {
  readonly subject: string;
  readonly packetBytes: number;
  readonly measure: "saturated" | "paced";
  readonly ratePerSecond?: number;
  readonly messagesPerSecond: number;
  readonly cpuMicrosPerMessage: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly rssMb: number | null;
  readonly lost: number;
}

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

makeBundles();
const { readyMs, idleRssMb } = await startup();
console.log(`connector: ready in ${fixed(readyMs, 0)} ms (aim < 250), ${fixed(idleRssMb, 1)} MB idle (aim < 70)\n`);
const rows: Row[] = [];
for (const way of ["connector-hub-connector", "connector-connector"] as const) {
  rows.push(...await throughConnectors(way));
}
for (const job of jobs()) {
  const results = await repeated(() =>
    runJob({ ...job, protocol: "direct", port: 0, pid: process.pid, returnsCredits: false })
  );
  rows.push(rowOf("direct", job, results.map((each) => ({ ...each, cpuMicrosPerMessage: null })), null));
}
console.log(tableText([
  ["", "bytes", "rate", "msg/s", "CPU µs/msg", "p50 ms", "p99 ms", "RSS MB", "lost"],
  ...rows.map((row) => [
    row.subject,
    String(row.packetBytes),
    row.ratePerSecond === undefined ? "saturated" : `${row.ratePerSecond}/s`,
    Math.round(row.messagesPerSecond).toLocaleString("en"),
    fixed(row.cpuMicrosPerMessage, 1),
    fixed(row.p50Ms, 2),
    fixed(row.p99Ms, 2),
    fixed(row.rssMb, 0),
    String(row.lost),
  ]),
]));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ readyMs, idleRssMb, rows }, null, 2)}\n`);
process.exit(0);

function jobs() {
  const saturated = [381, 837, 65536].map((packetBytes) => ({
    measure: "saturated" as const,
    packetBytes,
    warmSeconds: 1,
    seconds,
  }));
  // a stamp behind a long frame would not be found, so latency is that of the short ones
  const paced = [381, 837].map((packetBytes) => ({
    measure: "paced" as const,
    packetBytes,
    ratePerSecond: 2000,
    warmSeconds: 1,
    seconds,
  }));
  return [...saturated, ...paced];
}

async function repeated(run: () => Promise<LoadResult>): Promise<readonly LoadResult[]> {
  const results: LoadResult[] = [];
  for (let round = 0; round < rounds; round++) results.push(await run());
  return results;
}

async function throughConnectors(way: "connector-hub-connector" | "connector-connector"): Promise<readonly Row[]> {
  const manifests = writeStory({
    withoutCredits: false,
    runs: 1,
    routing: way === "connector-connector" ? "auto" : "hub",
  });
  const programs: Program[] = [];
  try {
    const hub = await startHub(manifests);
    programs.push(hub);
    const producer = await startConnector("producer", hub.port);
    programs.push(producer);
    const consumer = await startConnector("consumer", hub.port);
    programs.push(consumer);
    const pids = programs.map(({ child }) => child.pid!);
    const rows: Row[] = [];
    for (const job of jobs()) {
      const results = await repeated(() =>
        runJob({
          ...job,
          protocol: "engram",
          port: producer.port,
          consumerPort: consumer.port,
          pid: pids[0]!,
          morePids: pids.slice(1),
          returnsCredits: false,
        })
      );
      const rss = pids.map(rssBytes).reduce<number>((sum, each) => sum + (each ?? 0), 0);
      rows.push(rowOf(way, job, results, rss / 1e6));
    }
    return rows;
  } finally {
    for (const { child } of programs.toReversed()) await ended(child);
    rmSync(manifests, { recursive: true, force: true });
  }
}

function rowOf(
  subject: string,
  job: ReturnType<typeof jobs>[number],
  results: readonly LoadResult[],
  rssMb: number | null,
): Row {
  const middle = (read: (result: LoadResult) => number | null) =>
    median(results.map(read).filter((value) => value !== null && !Number.isNaN(value)) as number[]); // filtered above
  return {
    subject,
    packetBytes: job.packetBytes,
    measure: job.measure,
    ...job.measure === "paced" ? { ratePerSecond: job.ratePerSecond } : {},
    messagesPerSecond: middle((result) => result.messagesPerSecond) ?? 0,
    cpuMicrosPerMessage: middle((result) => result.cpuMicrosPerMessage),
    p50Ms: middle((result) => result.p50Ms),
    p99Ms: middle((result) => result.p99Ms),
    rssMb,
    lost: results.reduce((sum, result) => sum + result.sent - result.delivered, 0),
  };
}

/** From the start of the process to `connector.ready` on Control, and memory at rest. */
async function startup(): Promise<{ readonly readyMs: number | null; readonly idleRssMb: number | null }> {
  const manifests = writeStory({ withoutCredits: false, runs: 1 });
  const hub = await startHub(manifests);
  const times: number[] = [];
  const memory: number[] = [];
  try {
    for (let round = 0; round <= rounds; round++) {
      const begin = performance.now();
      const connector = await startConnector("producer", hub.port);
      // the first start fills the compile cache
      if (round > 0) times.push(performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, restMs));
      const rss = rssBytes(connector.child.pid!);
      if (rss !== null) memory.push(rss / 1e6);
      await ended(connector.child);
    }
  } finally {
    await ended(hub.child);
    rmSync(manifests, { recursive: true, force: true });
  }
  return { readyMs: median(times), idleRssMb: median(memory) };
}

async function startHub(manifests: string): Promise<Program> {
  const [port, healthPort] = await freePorts();
  const child = start([
    ...imageCommand,
    ...["--manifests", manifests, "--listen", `127.0.0.1:${port}`, "--health-listen", `127.0.0.1:${healthPort}`],
  ], {});
  await until(child, () => fetch(`http://127.0.0.1:${healthPort}/readyz`).then(({ ok }) => ok));
  return { child, port };
}

async function startConnector(step: keyof typeof steps, hubPort: number): Promise<Program> {
  const [port] = await freePorts();
  const child = start(connectorCommand, {
    BUBU_HUB_ENDPOINT: `127.0.0.1:${hubPort}`,
    BOBRAVOZ_DISCOVERY_ENDPOINT: `127.0.0.1:${hubPort}`,
    BUBU_STORYRUN_ID: runName(0),
    BUBU_POD_NAMESPACE: namespace,
    BUBU_STEP_NAME: steps[step],
    BUBU_CONNECTOR_GENERATION: "1",
    BUBU_GRPC_PORT: String(port),
    BUBU_TRANSPORT_BINDING: encodeBindingEnvelope({
      metadata: { name: `bench-${step}`, namespace },
      spec: { transportRef: "bench", driver: "bobravoz-grpc", connectorEndpoint: `127.0.0.1:${port}` },
    }),
  });
  await until(child, () => isReady(port));
  return { child, port };
}

/** Opens Control and takes its first message, which is `connector.ready`. */
function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const answer = (ready: boolean) => {
      session.destroy();
      resolve(ready);
    };
    session.once("error", () => answer(false));
    const stream = session.request({
      ":method": "POST",
      ":path": "/transport.v1.TransportConnectorService/Control",
      "content-type": "application/grpc",
      te: "trailers",
      [requestHeaders.protocol]: protocolVersion,
    }, { endStream: false });
    stream.once("error", () => answer(false));
    stream.once("data", () => answer(true));
  });
}

function start(command: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  const [program, ...rest] = pinned(0, command);
  return spawn(program!, rest, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, ...env, NO_COLOR: "1" },
  });
}

async function until(child: ChildProcess, isDone: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + limitMs;
  while (performance.now() < limit && child.exitCode === null) {
    if (await isDone().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  child.kill("SIGKILL");
  throw new Error(`did not start: ${child.spawnargs.join(" ")}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await exited;
  clearTimeout(timer);
}
