// `npm run tools`: builds the programs from elsewhere that some tests use (table in test/support/tools.ts) by the Go
// client, or by pip, into the cache folder. What stands there already is left as it is.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import {
  type GoProgram,
  needOf,
  type OwnProgram,
  type PythonPackages,
  root,
  toolFolder,
  type ToolName,
  toolPath,
  tools,
} from "../test/support/tools.ts";

/** Kubernetes from nothing takes 8 to 12 minutes on two cores; a build that hangs is a failure. */
const buildDeadlineMs = 1_500_000;

/** Builds one program in a module of its own; a half-built one is never seen under its name. */
function build(name: ToolName): boolean {
  const folder = toolFolder(name);
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const program: GoProgram | OwnProgram | PythonPackages = tools[name];
  const command = (command: string, ...args: string[]) => {
    const result = spawnSync(command, args, {
      cwd: partial,
      env: { ...process.env, GOBIN: partial, CGO_ENABLED: "0", PATH: `${partial}${delimiter}${process.env["PATH"]}` },
      stdio: ["ignore", "inherit", "pipe"],
      encoding: "utf8",
      timeout: buildDeadlineMs,
    });
    if (result.status === 0) return true;
    console.error(result.stderr);
    console.error(`${name}: ${result.error?.message ?? `${command} ${args[0]} ended with exit code ${result.status}`}`);
    return false;
  };
  const run = (...args: string[]) => command("go", ...args);
  const buildOwn = ({ source, plugins = [], ldflags = "-s -w", links = [] }: OwnProgram) => {
    cpSync(join(root, source), partial, { recursive: true });
    const generate = () =>
      plugins.every((plugin) => run("install", plugin)) &&
      command(
        join(root, "node_modules/.bin/buf"),
        ...["generate", join(root, "proto"), "--template", "buf.gen.yaml"],
        ...["--path", join(root, "proto/transport"), "-o", "."],
      );
    const isBuilt = (plugins.length === 0 || generate()) &&
      run("build", "-trimpath", "-ldflags", ldflags, "-o", name, ".");
    if (isBuilt) links.forEach((link) => symlinkSync(name, join(partial, link)));
    return isBuilt;
  };
  // not `go install …@version`, which refuses a module without a go.mod of its own
  const buildForeign = (program: GoProgram) =>
    run("mod", "init", "tool") &&
    run("get", `${program.module}@${program.version}`, ...program.pins ?? []) &&
    run("install", "-trimpath", program.module);
  const install = ({ packages }: PythonPackages) => {
    // found from where it lies: the folder gets its name once it is whole
    writeFileSync(
      join(partial, name),
      `#!/bin/sh\nPYTHONPATH="$(dirname "$0")/packages" exec python3 "$@"\n`,
      { mode: 0o755 },
    );
    const options = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--target", "packages"];
    return command("python3", "-m", "pip", "install", ...options, ...packages);
  };
  const isBuilt = "packages" in program
    ? install(program)
    : "source" in program
    ? buildOwn(program)
    : buildForeign(program);
  if (!isBuilt) {
    rmSync(partial, { recursive: true, force: true });
    return false;
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  renameSync(partial, folder);
  return true;
}

function whatIs(program: GoProgram | OwnProgram | PythonPackages): string {
  if ("packages" in program) return program.packages.join(" ");
  return "source" in program ? program.source : `${program.module}@${program.version}`;
}

let failed = 0;
for (const name of Object.keys(tools) as ToolName[]) { // keys of a const table
  const program: GoProgram | OwnProgram | PythonPackages = tools[name];
  const what = whatIs(program);
  const path = toolPath(name);
  if (path !== null) {
    console.log(`${name}: there (${what})`);
    continue;
  }
  const need = needOf(name);
  if (need !== null) {
    console.log(`${name}: left out, this machine has no ${need}`);
    continue;
  }
  console.log(`${name}: building ${what}`);
  const started = performance.now();
  if (build(name)) {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(`${name}: built into ${join(toolFolder(name), name)} in ${seconds} s`);
  } else failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
