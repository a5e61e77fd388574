// `npm run image [-- TAG]`: builds the container image with the first container engine found. TAG is bobravoz by default.

import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const engines = ["podman", "docker", "buildah"];

const [tag = "bobravoz"] = process.argv.slice(2);
const engine = engines.find((name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0);
if (engine === undefined) {
  console.error(`no container engine found; looked for ${engines.join(", ")}`);
  process.exitCode = 1;
} else {
  const args = ["build", "--file", "Containerfile", "--target", "bobravoz", "--tag", tag, "."];
  process.exitCode = spawnSync(engine, args, { cwd: root, stdio: "inherit" }).status ?? 1;
}
