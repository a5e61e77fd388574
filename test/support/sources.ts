// The project's own source text, for tests that judge it: which files there are and what each imports.

import { init, parse } from "es-module-lexer";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

await init();

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export type SourceFile = {
  /** Path from the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Modules as written, those of `import type` and of literal `import()` included. */
  readonly imports: readonly string[];
  /** Exported names; `*` for an `export * from`. */
  readonly exports: readonly string[];
};

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory() && entry.name !== "node_modules" && entry.name !== "fixtures") yield* walk(path);
    else if (entry.isFile() && entry.name.endsWith(".ts")) yield path;
  }
}

/** Reads what one module imports and exports from its text. */
export function lexSource(path: string, text: string): SourceFile {
  const [imports, exports] = parse(text);
  const lexed = imports.flatMap(({ specifier }) => typeof specifier === "string" ? [specifier] : []);
  // The lexer passes over a type written as import("…").Name.
  const called = [...text.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g)].map((match) => match[1] ?? "");
  return {
    path,
    text,
    imports: [...new Set([...lexed, ...called])],
    exports: exports.map((entry) => "name" in entry ? entry.name : "*"),
  };
}

/** Every TypeScript file below `folder`, read and lexed; folders named fixtures are passed over. */
export function readSources(folder: string): SourceFile[] {
  return [...walk(folder)].sort().map((path) => lexSource(path, readFileSync(join(root, path), "utf8")));
}

/** Where a relative import of `file` leads, as a path from the root; null for a module from outside. */
export function localTarget(file: string, specifier: string): string | null {
  return specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : null;
}
