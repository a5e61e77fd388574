/**
 * Discovery at scale: 2,000 watchers of 10,000 bindings, and edits that change 1,000 bindings each. From the moment at
 * which a Story changes in the cluster to the moment at which the server has read the acknowledgement of each binding.
 * Server and watchers are one process each. Run it alone: `node bench/discovery.ts`.
 */
import { type ChildProcess, fork } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Answer, type Ask, runName, scale } from "./discovery-server.ts";
import { type WatchedStep, Watchers } from "./discovery-watchers.ts";

export interface DiscoveryFigures {
  readonly watchers: number;
  readonly bindings: number;
  readonly edits: number;
  readonly changedPerEdit: number;
  /** Change to acknowledgement, over every binding of every edit. */
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly ackMaxMs: number;
  /** The same from the moment at which all runs that the edit touches are decided. */
  readonly toldP50Ms: number;
  readonly toldP99Ms: number;
  /** Of that, until the last run is decided (median of the edits). */
  readonly decidedMs: number;
  /** Processor time of the server for each edit, with the status writes that follow from it. */
  readonly cpuMsPerEdit: number;
  /** Bindings and bytes of bindings in the answers to watchers that come back with nothing changed. */
  readonly reconnectBindings: number;
  readonly reconnectBindingBytes: number;
  /** Whole responses to those, per watcher. */
  readonly reconnectBytesPerWatcher: number;
  readonly serverStartMs: number;
  readonly rssBytesBefore: number;
  readonly rssBytesWatched: number;
  readonly rssBytesAfter: number;
}

const watchers = 2_000;
const edits = 20;
const limitMs = 120_000;

/** Runs the bench, prints what it finds and returns it. */
export async function benchDiscovery(): Promise<DiscoveryFigures> {
  const server = fork(fileURLToPath(new URL("discovery-server.ts", import.meta.url)), ["serve"], {
    execArgv: process.env["BENCH_SERVER_ARGS"]?.split(" ") ?? process.execArgv,
  });
  try {
    return await measure(server);
  } finally {
    server.disconnect();
  }
}

async function measure(server: ChildProcess): Promise<DiscoveryFigures> {
  const runs = scale.stories * scale.runsPerStory;
  const start = await answerOf(server, "start");
  const before = await ask(server, { do: "measure" }, "measure");
  const group = new Watchers(start.address, Array.from({ length: watchers }, (_, index) => selectorsOf(index, runs)));
  const first = await group.open();
  const watched = await ask(server, { do: "measure" }, "measure");
  const ackMs: number[] = [];
  const toldMs: number[] = [];
  const decidedMs: number[] = [];
  // The first two edits warm up the machine code, which a hub that has been up for a minute has.
  let warm = watched;
  for (let round = -1; round <= edits; round++) {
    if (round === 1) warm = await ask(server, { do: "measure" }, "measure");
    const answer = await ask(server, { do: "edit", story: (round + 1) % scale.stories, round: round + 2 }, "edit");
    if (round < 1) continue;
    ackMs.push(...answer.ackMs);
    toldMs.push(...answer.ackMs.map((ms) => ms - answer.decidedMs));
    decidedMs.push(answer.decidedMs);
  }
  const after = await ask(server, { do: "measure" }, "measure");
  await group.close();
  const again = await group.open();
  await group.close();
  ackMs.sort((a, b) => a - b);
  toldMs.sort((a, b) => a - b);
  decidedMs.sort((a, b) => a - b);
  const figures: DiscoveryFigures = {
    watchers,
    bindings: first.bindings,
    edits,
    changedPerEdit: scale.runsPerStory * scale.steps.length,
    ackP50Ms: quantile(ackMs, 0.5),
    ackP99Ms: quantile(ackMs, 0.99),
    ackMaxMs: ackMs.at(-1)!,
    toldP50Ms: quantile(toldMs, 0.5),
    toldP99Ms: quantile(toldMs, 0.99),
    decidedMs: quantile(decidedMs, 0.5),
    cpuMsPerEdit: (after.cpuMs - warm.cpuMs) / edits,
    reconnectBindings: again.bindings,
    // Without a binding there is no byte of one; with one it is counted by the whole response.
    reconnectBindingBytes: again.bindings === 0 ? 0 : again.bytes,
    reconnectBytesPerWatcher: again.bytes / watchers,
    serverStartMs: start.startMs,
    rssBytesBefore: before.rssBytes,
    rssBytesWatched: watched.rssBytes,
    rssBytesAfter: after.rssBytes,
  };
  print(figures);
  return figures;
}

/**
 * What a watcher selects: five steps of five runs of five Stories. Each binding has one watcher, and an edit, which
 * changes all bindings of one Story, reaches half of the watchers with one binding each.
 */
function selectorsOf(index: number, runs: number): readonly WatchedStep[] {
  const stride = runs / scale.steps.length + 1;
  return scale.steps.map((step, position) => ({
    namespace: "demo",
    storyRun: runName((index + position * stride) % runs),
    step,
  }));
}

type Did<D extends Answer["did"]> = Extract<Answer, { readonly did: D }>;

function ask<D extends Answer["did"]>(server: ChildProcess, question: Ask, did: D): Promise<Did<D>> {
  const answer = answerOf(server, did);
  server.send(question);
  return answer;
}

function answerOf<D extends Answer["did"]>(server: ChildProcess, did: D): Promise<Did<D>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server did not ${did} within ${limitMs} ms`)), limitMs);
    const onExit = () => reject(new Error(`the server ended before it did ${did}`));
    server.once("exit", onExit);
    server.once("message", (answer: Answer) => {
      clearTimeout(timer);
      server.off("exit", onExit);
      // The server answers one question at a time.
      if (answer.did === did) resolve(answer as Did<D>);
      else reject(new Error(`the server did ${answer.did}, not ${did}`));
    });
  });
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(Math.ceil(q * sorted.length), sorted.length) - 1] ?? NaN;
}

function print(figures: DiscoveryFigures): void {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  console.log(
    `discovery: ${figures.watchers} watchers of ${figures.bindings} bindings, ` +
      `${figures.edits} edits that change ${figures.changedPerEdit} each
  change to ACK    p50 ${ms(figures.ackP50Ms)}, p99 ${ms(figures.ackP99Ms)}, max ${ms(figures.ackMaxMs)}
  decision to ACK  p50 ${ms(figures.toldP50Ms)}, p99 ${ms(figures.toldP99Ms)} ` +
      `(all runs decided after ${ms(figures.decidedMs)})
  server CPU       ${ms(figures.cpuMsPerEdit)} per edit
  server RSS       ${mb(figures.rssBytesBefore)} with no watcher, ${mb(figures.rssBytesWatched)} with all, ` +
      `${mb(figures.rssBytesAfter)} after the edits
  reconnect        ${figures.reconnectBindings} bindings, ${figures.reconnectBindingBytes} binding bytes ` +
      `(${figures.reconnectBytesPerWatcher.toFixed(1)} bytes of response per watcher)
  server start     ${ms(figures.serverStartMs)} until all runs are decided
`,
  );
}

if (import.meta.main) await benchDiscovery();
