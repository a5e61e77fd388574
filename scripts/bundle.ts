// `npm run bundle [-- --out DIR]`: one file per program in dist/, which needs Node and nothing else. What a subcommand
// imports lazily is in the same file, and still runs only when it is called.
//
//   dist/bobravoz.mjs   every subcommand
//   dist/hub.mjs        `bobravoz hub` alone, as the image starts it
//   dist/connector.mjs  `bobravoz connector` alone, likewise
//
// Node compiles a file before the file's own first line can switch the compile cache on, so what starts these files
// does it, by NODE_COMPILE_CACHE: the image sets it and ships the cache filled.

import { build, type Plugin } from "esbuild";
import { chmodSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { out: { type: "string", default: join(root, "dist") } } });

/** The Node of the image; `engines` in package.json says from which version on. */
const target = "node24";

type Program = {
  readonly name: string;
  /** The subcommand that the program is, or null for all of them. */
  readonly subcommand: string | null;
};

const programs: readonly Program[] = [
  { name: "bobravoz", subcommand: null },
  { name: "hub", subcommand: "hub" },
  { name: "connector", subcommand: "connector" },
];

function entry({ subcommand }: Program): string {
  if (subcommand === null) return `import "./src/bin/bobravoz.ts";`;
  return `import process from "node:process";
import { keepYoungGenerationSmall } from "./src/bin/young-generation.ts";
keepYoungGenerationSmall();
const { dispatch } = await import("./src/bin/commands.ts");
const { processIo } = await import("./src/bin/io.ts");
process.exit(await dispatch([${JSON.stringify(subcommand)}, ...process.argv.slice(2)], processIo()));`;
}

/** Leaves the other subcommands, and what they alone import, out of a program that is one of them. */
function onlySubcommand(subcommand: string): Plugin {
  const kept = new Set(["help", "version", subcommand].map((name) => `./${name}.ts`));
  return {
    name: "only-subcommand",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\// }, ({ kind, importer, path }) => {
        const isOther = kind === "dynamic-import" && importer.endsWith("/src/bin/commands.ts") && !kept.has(path);
        return isOther ? { path, namespace: "left-out" } : undefined;
      });
      onLoad({ filter: /.*/, namespace: "left-out" }, () => ({
        contents: `export function run() { throw new Error("this program is bobravoz ${subcommand} alone"); }`,
      }));
    },
  };
}

for (const program of programs) {
  const outfile = join(values.out, `${program.name}.mjs`);
  await build({
    stdin: { contents: entry(program), resolveDir: root, sourcefile: `${program.name}.ts`, loader: "ts" },
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target,
    minifySyntax: true,
    minifyWhitespace: true,
    // kubernetes-fluent-client finds a kind's path by the name of its class, and esbuild writes `class _V1Pod`
    keepNames: program.subcommand !== "connector",
    legalComments: "none",
    logLevel: "warning",
    plugins: program.subcommand === null ? [] : [onlySubcommand(program.subcommand)],
    banner: {
      // CommonJS packages in the bundle call require for what is built in.
      js: `#!/usr/bin/env node
import { createRequire as createRequireOfBundle } from "node:module";
const require = createRequireOfBundle(import.meta.url);`,
    },
  });
  chmodSync(outfile, 0o755);
  console.log(`${outfile} ${Math.round(statSync(outfile).size / 1024)} KiB`);
}
