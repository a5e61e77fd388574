/** Names of runs and steps, and addresses, as the command line takes them. */
import { TransportError } from "../contract/errors.ts";
import { defaultHubPort } from "../contract/names.ts";
import type { StepIdentity } from "../adapters/rpc/step-stream.ts";
import type { Io } from "./io.ts";
import { count, type OptionValues, usage } from "./options.ts";

/** `NAMESPACE/RUN/STEP` with `--generation`. Throws `Usage`. */
export function stepTarget(command: string, text: string, values: OptionValues): StepIdentity {
  const [namespace, storyRun, step, ...rest] = text.split("/");
  if (!namespace || !storyRun || !step || rest.length > 0) {
    throw usage(command, `"${text}" is not NAMESPACE/RUN/STEP`);
  }
  return { namespace, storyRun, step, generation: count(command, "generation", values["generation"], 1) };
}

/** `NAMESPACE/RUN[/STEP]`, or nothing for all; empty fields match everything. Throws `Usage`. */
export function runTarget(command: string, text: string | undefined) {
  const [namespace = "", storyRun = "", step = "", ...rest] = (text ?? "").split("/");
  if (rest.length > 0 || (text !== undefined && (namespace === "" || storyRun === ""))) {
    throw usage(command, `"${text}" is not NAMESPACE/RUN or NAMESPACE/RUN/STEP`);
  }
  return { namespace, storyRun, step };
}

/** The address that `--flag` names, else the first of `variables` that is set, else the local hub's. */
export function addressOf(
  io: Pick<Io, "env">,
  flag: string | boolean | undefined,
  variables: readonly string[],
): string {
  if (typeof flag === "string") return flag;
  for (const name of variables) {
    const value = io.env[name]?.trim();
    if (value) return value;
  }
  return `127.0.0.1:${defaultHubPort}`;
}

/** Flags of `send` and `recv`. */
export const streamOptions = { hub: { type: "string" }, generation: { type: "string" } } as const;

/** What an interrupted call is reported as. */
export function aborted(): TransportError {
  return new TransportError("Aborted", "interrupted");
}
