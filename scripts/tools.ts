// `npm run tools`: builds the programs from elsewhere that some tests use (table in test/support/tools.ts) by the Go
// client into the cache folder. What stands there already is left as it is.

import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { type GoProgram, toolFolder, type ToolName, toolPath, tools } from "../test/support/tools.ts";

/** Most of a build is the download of what it needs; one that hangs is a failure. */
const buildDeadlineMs = 600_000;

/** Builds one program in a module of its own; a half-built one is never seen under its name. */
function build(name: ToolName): boolean {
  const folder = toolFolder(name);
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const program: GoProgram = tools[name];
  const run = (...args: string[]) => {
    const result = spawnSync("go", args, {
      cwd: partial,
      env: { ...process.env, GOBIN: partial, CGO_ENABLED: "0" },
      stdio: ["ignore", "inherit", "pipe"],
      encoding: "utf8",
      timeout: buildDeadlineMs,
    });
    if (result.status === 0) return true;
    console.error(result.stderr);
    console.error(`${name}: ${result.error?.message ?? `go ${args[0]} ended with exit code ${result.status}`}`);
    return false;
  };
  // not `go install …@version`, which refuses a module without a go.mod of its own
  const isBuilt = run("mod", "init", "tool") &&
    run("get", `${program.module}@${program.version}`, ...program.pins ?? []) &&
    run("install", "-trimpath", program.module);
  if (!isBuilt) {
    rmSync(partial, { recursive: true, force: true });
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
  const started = performance.now();
  if (build(name)) {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(`${name}: built into ${join(toolFolder(name), name)} in ${seconds} s`);
  } else failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
