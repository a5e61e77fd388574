// Which files are tests: every x.test.ts below src, test, bench and examples, but not what lies under a folder named
// fixtures.

import { readdirSync } from "node:fs";
import { join } from "node:path";

const passedOver = new Set(["fixtures", "node_modules"]);

function* walk(root: string, folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory() && !passedOver.has(entry.name)) yield* walk(root, path);
    else if (entry.isFile() && entry.name.endsWith(".test.ts")) yield path;
  }
}

/**
 * The test files below `folders` of `root`, as paths from `root` with forward slashes, in order of folder and name.
 * With patterns, those whose path contains at least one of them.
 */
export function findTests(root: string, folders: readonly string[], patterns: readonly string[]): string[] {
  const files = folders.flatMap((folder) => [...walk(root, folder)].sort());
  return patterns.length === 0 ? files : files.filter((file) => patterns.some((pattern) => file.includes(pattern)));
}
