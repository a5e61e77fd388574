// `npm run check`: everything about the tree that a machine can judge without running the product. All steps run, also
// after one that fails; a summary closes. Arguments choose steps by name: `npm run check -- types lint`.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const env = {
  ...process.env,
  PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env["PATH"] ?? ""}`,
  DENO_NO_UPDATE_CHECK: "1",
};

/** Folders with TypeScript of ours. */
const folders = ["src", "test", "bench", "examples", "scripts"].filter((folder) => existsSync(join(root, folder)));

/** A step that hangs is a failure. */
const stepDeadlineMs = 300_000;

type Step = { readonly name: string; readonly run: () => boolean };

function command(name: string, program: string, ...args: string[]): Step {
  return { name, run: () => execute(root, program, args) };
}

function execute(cwd: string, program: string, args: readonly string[]): boolean {
  const result = spawnSync(program, args, { cwd, env, stdio: "inherit", timeout: stepDeadlineMs });
  if (result.error) console.error(`${program}: ${result.error.message}`);
  return result.status === 0;
}

function textFiles(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, "utf8")]));
}

/** Templates of generated code, and the folder that each writes. */
const generated = [["buf.gen.yaml", "gen"], ["test/conformance/buf.gen.yaml", "test/conformance/gen"]] as const;

/** `npm run generate` in a copy leaves generated code as it is committed. */
function generatedIsFresh(): boolean {
  const copy = mkdtempSync(join(tmpdir(), "bobravoz-generate-"));
  try {
    for (const name of ["proto", "test/conformance/proto", "buf.yaml", ...generated.map(([template]) => template)]) {
      cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    return generated.map(([template, folder]) => {
      if (!execute(copy, "buf", ["generate", "--template", template])) return false;
      const wanted = textFiles(join(copy, folder));
      const found = textFiles(join(root, folder));
      const different = [...new Set([...wanted.keys(), ...found.keys()])].filter((name) =>
        wanted.get(name) !== found.get(name)
      );
      for (const name of different) {
        console.error(`${folder}/${name} is not what its proto gives; run npm run generate`);
      }
      return different.length === 0;
    }).every((isFresh) => isFresh);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

const steps: readonly Step[] = [
  command("types", "tsc", "-p", "."),
  command("types-deno", "deno", "check", ...folders),
  command("format", "deno", "fmt", "--check"),
  command("lint", "deno", "lint"),
  command("proto-lint", "buf", "lint"),
  command("proto-breaking", "buf", "breaking", "--against", "proto/released.binpb"),
  { name: "generated", run: generatedIsFresh },
  command("manifests", process.execPath, "scripts/manifests.ts", "--check"),
  command("layers", process.execPath, "test/run.ts", "--no-build", "test/layers.test.ts"),
  command("suites", process.execPath, "test/run.ts", "--no-build", "test/suites.test.ts", "test/breaking.test.ts"),
];

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !steps.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`no step ${unknown.join(", ")}; there are ${steps.map((step) => step.name).join(", ")}`);
  process.exit(2);
}

const results = steps.filter((step) => chosen.length === 0 || chosen.includes(step.name)).map((step) => {
  console.log(`\n— ${step.name}`);
  const started = performance.now();
  const passed = step.run();
  return { name: step.name, passed, seconds: (performance.now() - started) / 1000 };
});

console.log("");
for (const { name, passed, seconds } of results) {
  console.log(`${passed ? "ok    " : "FAILED"} ${name.padEnd(16)} ${seconds.toFixed(1).padStart(5)} s`);
}
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
