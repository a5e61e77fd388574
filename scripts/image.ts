// `npm run image [-- TAG]`, `npm run image:connector [-- TAG]`: builds a stage of the Containerfile with the first
// container engine found. TAG is bobravoz, or bobravoz-connector, by default.

import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const engines = ["podman", "docker", "buildah"];
/** Stage → the name of its image where none is asked for. */
const stages: Readonly<Record<string, string>> = { bobravoz: "bobravoz", connector: "bobravoz-connector" };

const { values: { target }, positionals } = parseArgs({
  options: { target: { type: "string", default: "bobravoz" } },
  allowPositionals: true,
});
const tag = positionals[0] ?? stages[target];
const engine = engines.find((name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0);
if (tag === undefined) {
  console.error(`no stage ${target}; there are ${Object.keys(stages).join(", ")}`);
  process.exitCode = 2;
} else if (engine === undefined) {
  console.error(`no container engine found; looked for ${engines.join(", ")}`);
  process.exitCode = 1;
} else {
  const args = ["build", "--file", "Containerfile", "--target", target, "--tag", tag, "."];
  process.exitCode = spawnSync(engine, args, { cwd: root, stdio: "inherit" }).status ?? 1;
}
