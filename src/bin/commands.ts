/** The subcommands, each in a file of its own that is imported when it is called, and what is common to all. */
import { isTransportError, TransportError } from "../contract/errors.ts";
import { exitCodeOf } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { suggestion } from "./suggest.ts";

/** What a subcommand's file exports. Answers the exit code; may throw instead. */
export interface Subcommand {
  run(argv: readonly string[], io: Io): Promise<number>;
}

/** Every subcommand with how to load it. */
export const commands = {
  local: () => import("./local.ts"),
  inspect: () => import("./inspect.ts"),
  bindings: () => import("./bindings.ts"),
  check: () => import("./check.ts"),
  why: () => import("./why.ts"),
  send: () => import("./send.ts"),
  recv: () => import("./recv.ts"),
  hub: () => import("./hub.ts"),
  connector: () => import("./connector.ts"),
  controller: () => import("./controller.ts"),
  webhook: () => import("./webhook.ts"),
  certificates: () => import("./certificates.ts"),
  version: () => import("./version.ts"),
  help: () => import("./help.ts"),
} as const satisfies Record<string, () => Promise<Subcommand>>;

export type CommandName = keyof typeof commands;

/** Runs `argv` (without program names) and answers the exit code. Never throws; errors go to standard error. */
export async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await choose(argv, io);
  } catch (error) {
    if (io.signal.aborted) return 130;
    for (const line of errorLines(error)) io.err(line + "\n");
    return exitCodeOf(error);
  }
}

async function choose(argv: readonly string[], io: Io): Promise<number> {
  const [first, ...rest] = argv;
  if (first === undefined) {
    const help = await commands.help();
    io.err(help.helpText());
    return 2;
  }
  if (first === "--help" || first === "-h") return (await commands.help()).run(rest, io);
  if (first === "--version" || first === "-V") return (await commands.version()).run(rest, io);
  if (!isCommand(first)) {
    const hint = suggestion(first, Object.keys(commands));
    throw new TransportError("Usage", `unknown command "${first}"${hint} (see bobravoz help)`);
  }
  const end = rest.indexOf("--");
  const flags = end < 0 ? rest : rest.slice(0, end);
  if (flags.includes("--help") || flags.includes("-h")) return (await commands.help()).run([first], io);
  const command: Subcommand = await commands[first]();
  return await command.run(rest, io);
}

export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}

/** `bobravoz: message (Reason)`; a broken invariant of ours shows where it broke. */
export function errorLines(error: unknown): string[] {
  if (isTransportError(error)) {
    const tail = error.reason === "Usage" ? "" : ` (${error.reason})`;
    return error.message.split("\n").map((line) => `bobravoz: ${line}${tail}`);
  }
  return [`bobravoz: ${error instanceof Error ? error.stack ?? error.message : String(error)}`];
}
