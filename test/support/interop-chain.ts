/** Three steps, each an engram on grpc-go beside a connector of ours, over a hub that reads a directory. */
import { type ConnectorBed, connectorBed } from "./connector-bed.ts";
import { type DirectoryNode, directoryNode, type DirectoryNodeOptions } from "./directory-node.ts";
import { type InteropLine, type InteropRun, runInterop } from "./interop.ts";
import { engram, story, storyRun, transport } from "./objects.ts";

const steps = ["a", "b", "c"] as const;
type StepName = typeof steps[number];

export interface Chain extends AsyncDisposable {
  readonly world: DirectoryNode;
  readonly beds: Readonly<Record<StepName, ConnectorBed>>;
  /** Starts the engram of a step. */
  run(step: StepName, ...flags: string[]): InteropRun;
  /** Ends the connector of a step as a kill would, and starts the next one, of a higher generation. */
  restart(step: StepName): Promise<void>;
}

/** Where hub and peers are off loopback, with certificates. */
export interface Secure extends DirectoryNodeOptions {
  /** Variables that name the connectors' certificate files. */
  readonly env: Readonly<Record<string, string>>;
}

/** Steps a → b → c, each with a connector; edges over the hub where `mode` is `hub`. */
export async function chain(path: string, mode: "hub" | "auto", secure: Secure | null = null): Promise<Chain> {
  const world = await directoryNode([
    transport("speech", { routing: { mode } }),
    ...steps.map((step) => engram(step)),
    story("talk", ["a", "b[a]", "c[b]"]),
    storyRun("run", "talk"),
  ], secure);
  const start = (step: StepName, generation: number) => {
    const binding = world.node.control.get("demo", "run")?.bindings.find((each) => each.step === step);
    if (binding === undefined) throw new Error(`no binding of ${step}`);
    const env = {
      BOBRAVOZ_DISCOVERY_ENDPOINT: world.node.address,
      BUBU_TRANSPORT_BINDING: binding.transportBinding,
      ...secure?.env,
    };
    return connectorBed({ hub: world.node.address, step, generation, env });
  };
  const beds: Partial<Record<StepName, ConnectorBed>> = {};
  for (const step of steps) beds[step] = await start(step, 1);
  const all = beds as Record<StepName, ConnectorBed>; // each step was set above
  const generations = new Map<StepName, number>();
  const runs: InteropRun[] = [];
  return {
    world,
    beds: all,
    run(step, ...flags) {
      const envelope = JSON.parse(all[step].env["BUBU_TRANSPORT_BINDING"]!) as { binding: { endpoint: string } };
      // the directory's binding names the usual port, the bed has a free one
      envelope.binding.endpoint = all[step].node.address;
      const run = runInterop(path, ["engram", ...flags], { BUBU_TRANSPORT_BINDING: JSON.stringify(envelope) });
      runs.push(run);
      return run;
    },
    async restart(step) {
      await all[step].node.close(0);
      const generation = (generations.get(step) ?? 1) + 1;
      generations.set(step, generation);
      all[step] = await start(step, generation);
    },
    async [Symbol.asyncDispose]() {
      for (const run of runs) await run[Symbol.asyncDispose]();
      for (const bed of Object.values(all)) await bed[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

/** Packets that an engram printed. */
export const packetsOf = (run: InteropRun) => run.lines.filter((line) => line.event === "packet");
/** Message id of a packet. */
export const idOf = (line: InteropLine) =>
  (line.envelope as { messageId?: string } | undefined)?.messageId ??
    (line.metadata as Record<string, string>)["bubu.envelope.message_id"];
/** "1" to the text of `count`. */
export const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));
