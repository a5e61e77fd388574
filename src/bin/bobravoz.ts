/** The program: arguments to one subcommand, whose file is imported when it is called. */
import process from "node:process";
import { keepYoungGenerationSmall } from "./young-generation.ts";

// Before anything else is imported: loading it lets the young generation grow, and what has grown stays so. A program
// that reads a cluster parses large objects instead, for which a small one is a sixth of its time.
if (["hub", "connector", "local"].includes(process.argv[2] ?? "")) keepYoungGenerationSmall();
const { dispatch } = await import("./commands.ts");
const { processIo } = await import("./io.ts");

// Timers and connections that only tidy up must not keep a command that is done.
process.exit(await dispatch(process.argv.slice(2), processIo()));
