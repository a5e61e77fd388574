// `npm run deploy -- IMAGE [--installation NAME] [--dry-run]`: applies manifests/default (or another installation) with
// IMAGE in the place of the published one, to the cluster of the current kubeconfig. --dry-run prints what would be.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { publishedImage } from "./manifests/pod.ts";
import { toYaml } from "./manifests/yaml.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals: [image] } = parseArgs({
  options: {
    installation: { type: "string", default: "default" },
    "dry-run": { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const base = join(root, "manifests", values.installation);

if (image === undefined) {
  console.error("npm run deploy -- IMAGE: the image is missing");
  process.exitCode = 2;
} else if (!existsSync(join(base, "kustomization.yaml"))) {
  console.error(`no installation ${values.installation} in manifests/`);
  process.exitCode = 2;
} else {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "bobravoz-deploy-"));
  try {
    const kustomization = {
      resources: [relative(folder, base)],
      images: [{ name: publishedImage, ...partsOf(image) }],
    };
    writeFileSync(join(folder, "kustomization.yaml"), toYaml(kustomization));
    const args = values["dry-run"] ? ["kustomize", folder] : ["apply", "-k", folder];
    const { status, error } = spawnSync("kubectl", args, { stdio: "inherit" });
    if (error !== undefined) console.error(`kubectl: ${error.message}`);
    process.exitCode = status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `registry:5000/name:tag`, `name@sha256:…` or `name`, as kustomize has them. */
function partsOf(image: string): Readonly<Record<string, string>> {
  const [name = "", digest] = image.split("@");
  if (digest !== undefined) return { newName: name, digest };
  const [, newName = image, newTag = "latest"] = /^(.*):([^/:]+)$/.exec(image) ?? [];
  return { newName, newTag };
}
