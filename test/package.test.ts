// package.json against what it promises: every script installs first, versions are exact, and the documents name only
// scripts and files that exist.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { root } from "./support/sources.ts";

type Package = {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};

const { scripts, dependencies, devDependencies }: Package = JSON.parse(read("package.json"));
const hook = "node scripts/setup.mjs";

/** The documents of the project, those of the top folder and of docs/. */
const documents = [".", "docs"].flatMap((folder) =>
  readdirSync(join(root, folder)).filter((name) => name.endsWith(".md")).map((name) => join(folder, name))
);

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

const it = suite("package.json");

it("every script has the install hook before it", () => {
  const called = Object.keys(scripts).filter((name) => !name.startsWith("pre") && name !== "postinstall");
  assert.equal(called.filter((name) => scripts[`pre${name}`] !== hook), []);
  assert.ok(called.includes("start") && called.includes("test"));
});

it("every version is exact, and the generator's equals the library's", () => {
  const all = Object.entries({ ...dependencies, ...devDependencies });
  assert.equal(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)), []);
  assert.is(devDependencies["@bufbuild/protoc-gen-es"], dependencies["@bufbuild/protobuf"]);
});

it("the hook runs on Node 20 with nothing installed: built-in modules only", () => {
  const imports = [...read("scripts/setup.mjs").matchAll(/from "([^"]+)"/g)].map((match) => match[1] ?? "");
  assert.ok(imports.length > 0);
  assert.equal(imports.filter((name) => !name.startsWith("node:")), []);
});

it("documents name only scripts that exist", () => {
  const faults = documents.flatMap((path) =>
    [...read(path).matchAll(/npm run ([a-z:]+(?:-[a-z]+)*)/g)].map((match) => match[1] ?? "")
      .filter((name) => scripts[name] === undefined).map((name) => `${path}: npm run ${name}`)
  );
  assert.equal(faults, []);
});

it("documents link only to files that exist", () => {
  const faults = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map((match) => match[1] ?? "")
      .filter((link) => !existsSync(join(root, path, "..", link))).map((link) => `${path}: ${link}`)
  );
  assert.equal(faults, []);
});

it.run();
