// `npm run release`: makes the wire as it stands the one that later changes are compared with
// (`proto/released.binpb`). Refused while the wire breaks the last release, unless called with `-- --breaking`.

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const image = "proto/released.binpb";

function buf(...args: string[]): boolean {
  const program = join(root, "node_modules", ".bin", "buf");
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: "inherit" });
  if (error) console.error(`buf: ${error.message}`);
  return status === 0;
}

function release(): boolean {
  if (!process.argv.includes("--breaking") && !buf("breaking", "--against", image)) {
    console.error("the wire breaks the last release; to release it all the same: npm run release -- --breaking");
    return false;
  }
  if (!buf("lint") || !buf("build", "proto", "--exclude-source-info", "-o", image)) return false;
  console.log(`${image} holds the wire as it stands; commit it with the release`);
  return true;
}

process.exitCode = release() ? 0 : 1;
