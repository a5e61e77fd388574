/** Engrams as local mode starts them: what their manifests must say, and what they and their connectors are given. */
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Start } from "../adapters/process/children.ts";
import type { StepSpec } from "../adapters/process/step-programs.ts";
import { annotations } from "../contract/names.ts";
import type { Engram } from "../contract/resources.ts";
import { engramOf, type RunDecision } from "../control/decisions.ts";
import { localEnv, localPairEnv } from "../control/local-env.ts";
import type { BindingDescription } from "../topology/binding.ts";

export interface LocalEngrams {
  /** Directory of the manifests, in which commands run. */
  readonly directory: string;
  /** `host:port` of hub and discovery. */
  readonly address: string;
  /** Environment of this process, which programs get too. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Whether a connector stands beside the engram, as in a pod, or the engram speaks to the hub itself. */
function hasConnector({ metadata }: Engram): boolean {
  return metadata.annotations?.[annotations.localConnector]?.trim() !== "false";
}

/** How to start the programs of a step; null for a step that attaches from outside. */
export function localSpec(
  { directory, address, env }: LocalEngrams,
  decision: RunDecision,
  binding: BindingDescription,
  start: Start,
): StepSpec | null {
  const { inputs, run } = decision;
  const step = inputs?.story.spec.steps.find(({ name }) => name === binding.step);
  const engram = step === undefined ? undefined : engramOf(decision, step);
  const command = engram?.metadata.annotations?.[annotations.localCommand]?.trim();
  if (!inputs || !step || !engram || !command) return null;
  const { story, transports } = inputs;
  const addresses = { hubEndpoint: address, discoveryEndpoint: address };
  const input = { binding, run, story, step, engram, transports, ...start, ...addresses };
  const spec = (command: string, own: Readonly<Record<string, string>>) => ({
    command,
    directory,
    env: { ...inherited(env), ...own },
  });
  if (!hasConnector(engram)) return { engram: spec(command, localEnv(input)), connector: null };
  const pair = localPairEnv(input);
  return { engram: spec(command, pair.engram), connector: spec(connectorCommand(), pair.connector) };
}

/** Starts `bobravoz connector` on the runtime that runs this, from this checkout or this bundle. */
function connectorCommand(): string {
  // in a bundle every module has the address of the bundle, which is the program
  const isSource = import.meta.url.endsWith("/src/bin/local-engrams.ts");
  const program = fileURLToPath(isSource ? new URL("./bobravoz.ts", import.meta.url) : import.meta.url);
  const runtime = "Deno" in globalThis
    ? [process.execPath, "run", "--allow-net", "--allow-read", "--allow-env", "--allow-sys"]
    : [process.execPath];
  return ["exec", ...[...runtime, program, "connector"].map(quote)].join(" ");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** This process's variables, bar those that tell a program where it runs; `node` is the one that runs this. */
function inherited(env: LocalEngrams["env"]): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || name.startsWith("BUBU_")) continue;
    if (name === "BOBRAVOZ_HUB_ENDPOINT" || name === "BOBRAVOZ_DISCOVERY_ENDPOINT") continue;
    kept[name] = value;
  }
  return { ...kept, PATH: [dirname(process.execPath), ...kept["PATH"] ? [kept["PATH"]] : []].join(":") };
}
