/**
 * `node test/vectors/run.ts [FOLDER]`: runs the golden vectors of the reference implementation against our code.
 * Without a folder it runs the project's own copy. Exits 0 only when something passed and nothing failed.
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runVectors, summary } from "./runner.ts";

const folder = process.argv[2] ?? fileURLToPath(new URL(".", import.meta.url));
try {
  const counts = runVectors(folder, (line) => console.log(line));
  console.log(summary(counts));
  process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
} catch (error) {
  console.error(`${folder}: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
