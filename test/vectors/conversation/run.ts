/** Replays every recorded conversation of a folder and counts, like the runner of the other vectors. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Counts } from "../runner.ts";
import { readRecording } from "./recording.ts";
import { replay } from "./replay.ts";

const shownFaults = 5;

/** Nothing to count where the folder is not there. */
export async function runConversations(folder: string, print: (line: string) => void): Promise<Counts> {
  let passed = 0;
  let failed = 0;
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")).sort() : [];
  for (const name of names) {
    let faults: readonly string[];
    try {
      faults = await replay(readRecording(join(folder, name)));
    } catch (error) {
      faults = [error instanceof Error ? error.message : String(error)];
    }
    if (faults.length === 0) passed++;
    else failed++;
    print(`conversations/${name}: ${faults.length === 0 ? "passed" : "failed"}`);
    for (const fault of faults.slice(0, shownFaults)) print(`  ${fault.slice(0, 600)}`);
  }
  return { passed, different: 0, failed };
}
