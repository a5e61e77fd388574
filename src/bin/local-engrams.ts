/** Engrams as local mode starts them: what their manifests must say, and what a program is given. */
import { dirname } from "node:path";
import process from "node:process";
import type { ChildSpec } from "../adapters/process/child.ts";
import type { Start } from "../adapters/process/children.ts";
import { TransportError } from "../contract/errors.ts";
import { annotations } from "../contract/names.ts";
import type { Engram, Step } from "../contract/resources.ts";
import { engramOf, type RunDecision } from "../control/decisions.ts";
import { localEnv } from "../control/local-env.ts";
import type { BindingDescription } from "../topology/binding.ts";

export interface LocalEngrams {
  /** Directory of the manifests, in which commands run. */
  readonly directory: string;
  /** `host:port` of hub and discovery. */
  readonly address: string;
  /** Environment of this process, which programs get too. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A program that speaks to a connector, which this version does not start, is refused: `NotSupported`. */
export function refuseLocally(step: Step, engram: Engram): TransportError | null {
  const { name, annotations: notes = {} } = engram.metadata;
  if (!notes[annotations.localCommand]?.trim() || notes[annotations.localConnector]?.trim() === "false") return null;
  const path = `metadata.annotations["${annotations.localConnector}"]`;
  const message =
    `Engram "${name}" of step "${step.name}" has a local command and wants a connector beside it, which ` +
    `this version does not start: ${path} must be "false" for a program that speaks to the hub itself`;
  return new TransportError("NotSupported", message, { step: step.name, path });
}

/** How to start the program of a step; null for a step that attaches from outside. */
export function localSpec(
  { directory, address, env }: LocalEngrams,
  decision: RunDecision,
  binding: BindingDescription,
  start: Start,
): ChildSpec | null {
  const { inputs, run } = decision;
  const step = inputs?.story.spec.steps.find(({ name }) => name === binding.step);
  const engram = step === undefined ? undefined : engramOf(decision, step);
  const command = engram?.metadata.annotations?.[annotations.localCommand]?.trim();
  if (!inputs || !step || !engram || !command) return null;
  const { story, transports } = inputs;
  const addresses = { hubEndpoint: address, discoveryEndpoint: address };
  const own = localEnv({ binding, run, story, step, engram, transports, ...start, ...addresses });
  return { command, directory, env: { ...inherited(env), ...own } };
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
