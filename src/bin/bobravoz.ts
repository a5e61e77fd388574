/** The program: arguments to one subcommand, whose file is imported when it is called. */
import process from "node:process";
import { dispatch } from "./commands.ts";
import { processIo } from "./io.ts";

// Timers and connections that only tidy up must not keep a command that is done.
process.exit(await dispatch(process.argv.slice(2), processIo()));
