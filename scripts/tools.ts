// `npm run tools`: builds the programs from elsewhere that some tests use (table in test/support/tools.ts) by the Go
// client into the cache folder. What stands there already is left as it is.

import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { toolFolder, type ToolName, toolPath, tools } from "../test/support/tools.ts";

/** Builds one program; a half-built one is never seen under its name. */
function build(name: ToolName): boolean {
  const folder = toolFolder(name);
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const { module, version } = tools[name];
  const result = spawnSync("go", ["install", "-trimpath", `${module}@${version}`], {
    cwd: partial,
    env: { ...process.env, GOBIN: partial, CGO_ENABLED: "0" },
    stdio: "inherit",
  });
  if (result.status !== 0) {
    rmSync(partial, { recursive: true, force: true });
    console.error(`${name}: ${result.error?.message ?? `go install ended with exit code ${result.status}`}`);
    return false;
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  renameSync(partial, folder);
  return true;
}

let failed = 0;
for (const name of Object.keys(tools) as ToolName[]) { // keys of a const table
  const { module, version } = tools[name];
  const path = toolPath(name);
  if (path !== null) {
    console.log(`${name}: there (${module}@${version})`);
    continue;
  }
  console.log(`${name}: building ${module}@${version}`);
  if (build(name)) console.log(`${name}: built into ${join(toolFolder(name), name)}`);
  else failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
