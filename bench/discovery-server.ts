/** The server side of `discovery.ts`: a whole hub over a cluster in memory, which edits Stories when it is told to. */
import process from "node:process";
import { systemClock } from "../src/adapters/clock.ts";
import { MemoryCluster } from "../src/adapters/cluster/memory.ts";
import { startNode } from "../src/bin/node.ts";
import { readHubConfig } from "../src/contract/hub-config.ts";
import type { Story } from "../src/contract/resources.ts";
import { silentLog } from "../src/contract/runtime.ts";
import type { StepKey } from "../src/control/reports.ts";
import type { Verdict } from "../src/control/subscriptions.ts";

/** How large the bench is. */
export const scale = {
  stories: 10,
  runsPerStory: 200,
  steps: ["microphone", "vad", "segmenter", "writer", "meter"],
} as const;

/** What the parent asks, and what it gets. */
export type Ask = { readonly do: "edit"; readonly story: number; readonly round: number } | { readonly do: "measure" };
export type Answer =
  | { readonly did: "start"; readonly address: string; readonly startMs: number }
  | { readonly did: "edit"; readonly ackMs: readonly number[]; readonly decidedMs: number }
  | { readonly did: "measure"; readonly rssBytes: number; readonly cpuMs: number };

/** A Story of five steps; another `round` is another edit of a setting that every binding of it carries. */
function storyOf(number: number, round: number): Story {
  return {
    kind: "Story",
    metadata: { name: `voice-${number}`, namespace: "demo" },
    spec: {
      pattern: "realtime",
      transports: [{
        name: "main",
        transportRef: "speech",
        settings: { backpressure: { buffer: { maxMessages: 1_000 + round } } },
      }],
      steps: scale.steps.map((name, index) => ({
        name,
        ref: { name },
        ...(index === 0 ? {} : { needs: [index > 2 ? "segmenter" : scale.steps[index - 1]!] }),
      })),
    },
  };
}

/** The run of an index; those of one Story are `scale.stories` apart. */
export function runName(index: number): string {
  return `voice-${index % scale.stories}-run-${index}`;
}

async function main(): Promise<void> {
  const begunMs = performance.now();
  const cluster = new MemoryCluster(systemClock);
  cluster.put({
    kind: "Transport",
    metadata: { name: "speech" },
    spec: {
      provider: "bobravoz",
      driver: "bobravoz-grpc",
      supportedAudio: [{ name: "pcm16" }, { name: "opus" }],
      supportedBinary: ["application/json"],
    },
  });
  for (const name of scale.steps) {
    const spec = { templateRef: { name: "any" }, mode: "deployment" };
    cluster.put({ kind: "Engram", metadata: { name, namespace: "demo" }, spec });
  }
  for (let number = 0; number < scale.stories; number++) cluster.put(storyOf(number, 0));
  for (let index = 0; index < scale.stories * scale.runsPerStory; index++) {
    cluster.put({
      kind: "StoryRun",
      metadata: { name: runName(index), namespace: "demo" },
      spec: { storyRef: { name: `voice-${index % scale.stories}` } },
    });
  }
  const node = await startNode({
    cluster,
    listen: { host: "127.0.0.1", port: 0 },
    admin: null,
    tls: null,
    advertised: null,
    config: readHubConfig(() => undefined).config,
    clock: systemClock,
    log: silentLog,
  });
  await node.control.synced;
  // Every acknowledgement passes here, whoever watches.
  let acked: ((key: StepKey) => void) | null = null;
  const verdict = node.reports.verdict.bind(node.reports);
  node.reports.verdict = (key: StepKey, said: Pick<Verdict, "version" | "rejection">) => {
    verdict(key, said);
    acked?.(key);
  };
  const edit = (story: number, round: number) =>
    new Promise<Answer>((resolve) => {
      const ackMs: number[] = [];
      const begunMs = performance.now();
      let decidedMs = 0;
      let decided = 0;
      const stop = node.control.subscribe(() => {
        decided += 1;
        if (decided === scale.runsPerStory) decidedMs = performance.now() - begunMs;
      });
      acked = () => {
        ackMs.push(performance.now() - begunMs);
        if (ackMs.length < scale.runsPerStory * scale.steps.length) return;
        acked = null;
        stop();
        resolve({ did: "edit", ackMs, decidedMs });
      };
      cluster.put(storyOf(story, round));
    });
  const tell = (answer: Answer) => void process.send?.(answer);
  process.on("message", (ask: Ask) => {
    if (ask.do === "edit") return void edit(ask.story, ask.round).then(tell);
    const { user, system } = process.cpuUsage();
    tell({ did: "measure", rssBytes: process.memoryUsage.rss(), cpuMs: (user + system) / 1e3 });
  });
  process.on("disconnect", () => process.exit(0));
  tell({ did: "start", address: node.address, startMs: performance.now() - begunMs });
}

if (process.send !== undefined && process.argv[2] === "serve") await main();
