// `npm run manifests [-- --check]`: writes manifests/ and the chart from their one description in scripts/manifests/,
// and removes what it does not describe. With --check it writes nothing and fails where a file is not what it would be.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderAll } from "./manifests/render.ts";

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), "manifests");
const isCheck = process.argv.includes("--check");

const wanted = renderAll();
const found = new Map(
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(folder.length + 1), readFileSync(path, "utf8")] as const;
  }),
);

const different = [...new Set([...wanted.keys(), ...found.keys()])].filter((path) =>
  wanted.get(path) !== found.get(path)
).sort();

for (const path of different) {
  if (isCheck) {
    console.error(`manifests/${path} is not what scripts/manifests renders; run npm run manifests`);
    continue;
  }
  const text = wanted.get(path);
  if (text === undefined) rmSync(join(folder, path));
  else {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  console.log(`${text === undefined ? "removed" : "written"} manifests/${path}`);
}
process.exitCode = isCheck && different.length > 0 ? 1 : 0;
