/**
 * `node test/vectors/run.ts [FOLDER]`: runs the golden vectors of the reference implementation against our code.
 * Without a folder it runs the project's own copy. Exits 0 only when something passed and nothing failed.
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { runConversations } from "./conversation/run.ts";
import { runVectors, summary } from "./runner.ts";

const folder = process.argv[2] ?? fileURLToPath(new URL(".", import.meta.url));
try {
  const print = (line: string) => console.log(line);
  const vectors = runVectors(folder, print);
  const conversations = await runConversations(join(folder, "conversations"), print);
  const counts = {
    passed: vectors.passed + conversations.passed,
    different: vectors.different,
    failed: vectors.failed + conversations.failed,
  };
  console.log(summary(counts));
  // pooled connections of a replay must not keep a run that is done
  process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
} catch (error) {
  console.error(`${folder}: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
