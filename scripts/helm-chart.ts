// `npm run helm-chart [-- NAME]`: packs the chart into dist/charts, as a folder and as NAME-VERSION.tgz, which
// `helm install RELEASE dist/charts/NAME-VERSION.tgz` takes. NAME is bobravoz-grpc by default. Needs tar alone.

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chartName, renderChart } from "./manifests/chart.ts";
import { version } from "./manifests/version.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: { out }, positionals: [name = chartName] } = parseArgs({
  options: { out: { type: "string", default: join(root, "dist", "charts") } },
  allowPositionals: true,
});

if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name)) {
  console.error(`"${name}" is no name of a chart: lower-case letters, digits and dashes`);
  process.exitCode = 2;
} else {
  const folder = join(out, name);
  rmSync(folder, { recursive: true, force: true });
  for (const [path, text] of renderChart(name)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const archive = `${name}-${version}.tgz`;
  const { status, error } = spawnSync("tar", ["-czf", archive, name], { cwd: out, stdio: "inherit" });
  if (status === 0) console.log(join(out, archive));
  else console.error(`tar: ${error?.message ?? `exit code ${status}`}`);
  process.exitCode = status ?? 1;
}
