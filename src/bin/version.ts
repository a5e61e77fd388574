/** `bobravoz version`: what runs here. */
import process from "node:process";
import { protocolVersion } from "../contract/names.ts";
import type { Io } from "./io.ts";
import { choice, readOptions } from "./options.ts";
import { version } from "./version-text.ts";

export function run(argv: readonly string[], io: Io): Promise<number> {
  const { values } = readOptions("version", argv, { output: { type: "string" } }, [0, 0]);
  const output = choice("version", "output", values["output"], ["text", "json"]);
  const runtime = "deno" in process.versions ? `deno ${process.versions["deno"]}` : `node ${process.versions.node}`;
  if (output === "json") io.out(JSON.stringify({ version, protocol: protocolVersion, runtime }) + "\n");
  else io.out(`bobravoz ${version}, transport protocol ${protocolVersion}, on ${runtime}\n`);
  return Promise.resolve(0);
}
