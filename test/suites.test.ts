// What a test file must look like for its result to mean something: uvu passes silently over a suite that nobody runs,
// and `.only` or `.skip` hide the rest.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { leftOutOnDeno } from "./runner/deno.ts";
import { readSources, root, type SourceFile } from "./support/sources.ts";

/** How many files `npm run test:deno` may leave out. This number only goes down. */
const leftOutOnDenoAtMost = 2;

/** The one place that may skip: it says for want of which program. */
const maySkip = new Set(["test/support/tools.ts"]);

const folders = ["src", "test", "bench", "examples"].filter((folder) => existsSync(join(root, folder)));
const files = folders.flatMap(readSources);
const tests = files.filter(({ path }) => path.endsWith(".test.ts"));

/** Names of the suites that a file makes, once for each time it makes one. */
function madeSuites({ text }: SourceFile): string[] {
  return [...text.matchAll(/\bconst (\w+)(?:: [^=]+)? = suite\b/g)].map((match) => match[1] ?? "");
}

function countOf(text: string, part: string): number {
  return text.split(part).length - 1;
}

const it = suite("suites");

it("every suite that is made is run", () => {
  const faults = files.flatMap((file) => {
    const made = madeSuites(file);
    return [...new Set(made)].flatMap((name) => {
      const times = made.filter((other) => other === name).length;
      return countOf(file.text, `${name}.run()`) >= times ? [] : [`${file.path}: ${name} lacks .run()`];
    });
  });
  assert.equal(faults, []);
});

it("no suite is made in a way that the check above cannot follow", () => {
  const calls = files.filter(({ imports }) => imports.includes("uvu")).flatMap((file) => {
    const all = [...file.text.matchAll(/\bsuite(?:<[^(]*>)?\(\s*["'`]/g)].length;
    return all === madeSuites(file).length ? [] : [`${file.path}: ${all} suites, ${madeSuites(file).length} named`];
  });
  assert.equal(calls, []);
});

it("no test is skipped or run alone by hand", () => {
  const faults = files.filter(({ path, text, imports }) => {
    return imports.includes("uvu") && !maySkip.has(path) && /\.(only|skip)\(/.test(text);
  });
  assert.equal(faults.map(({ path }) => path), []);
});

it("what is left out on Deno exists, has a reason, and only grows fewer", () => {
  const entries = Object.entries(leftOutOnDeno);
  assert.ok(
    entries.length <= leftOutOnDenoAtMost,
    `${entries.length} files are left out, ${leftOutOnDenoAtMost} may be`,
  );
  for (const [file, reason] of entries) {
    assert.ok(tests.some(({ path }) => path === file), `${file} is not a test`);
    assert.ok(reason.length > 20, `${file} has no reason`);
  }
});

it.run();
