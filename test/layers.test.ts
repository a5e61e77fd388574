// The order of the rooms (STYLE.md, rules 1, 2 and 6): a file imports its own room or rooms to its left, and modules
// from outside stay in the adapters and the programs. Types count like values.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lexSource, localTarget, readSources, type SourceFile } from "./support/sources.ts";

/** Rooms from the inside out; those of one line never see each other. */
const rings: readonly (readonly string[])[] = [
  ["contract"],
  ["template"],
  ["topology"],
  ["routing"],
  ["delivery"],
  ["hub", "connector", "control"],
  ["adapters"],
  ["bin", "engram"],
];

const outerRooms = new Set(["adapters", "bin", "engram"]);

/** A program of the user's: what it loads is what its connector's wire needs, and no more. */
const seenByEngram = /^src\/(engram|contract|adapters\/grpc)\/|^src\/adapters\/(clock|log)\.ts$/;

/** Modules from outside that any room may import: the wire's own types, and what a unit test is written with. */
const everywhere = [/^@bufbuild\/protobuf(\/|$)/];
const inUnitTests = [/^uvu(\/|$)/, /^fast-check$/];

type Exception = { readonly file: string; readonly imports: string; readonly reason: string };

const exceptions: readonly Exception[] = [
  {
    file: "src/contract/compose.ts",
    imports: "node:crypto",
    reason: "names end in a SHA-256 prefix; WebCrypto would make every name a promise",
  },
  {
    file: "src/contract/digest.ts",
    imports: "node:crypto",
    reason: "a version is a digest of the content, wanted where the content is decided, without waiting",
  },
];

const files = readSources("src");
const used = new Set<Exception>();

function isTest(file: SourceFile): boolean {
  return file.path.endsWith(".test.ts");
}

function roomOf(path: string): string {
  const [top, room = ""] = path.split("/");
  return top === "src" && path.split("/").length > 2 ? room : "";
}

function ringOf(room: string): number {
  return rings.findIndex((ring) => ring.includes(room));
}

function isExcepted(file: SourceFile, specifier: string): boolean {
  const exception = exceptions.find((entry) => entry.file === file.path && entry.imports === specifier);
  if (exception) used.add(exception);
  return exception !== undefined;
}

/** What is wrong with one import, in words; null when nothing is. */
function faultOf(file: SourceFile, specifier: string): string | null {
  const target = localTarget(file.path, specifier);
  const room = roomOf(file.path);
  if (target === null) {
    if (outerRooms.has(room) || everywhere.some((module) => module.test(specifier))) return null;
    if (isTest(file) && inUnitTests.some((module) => module.test(specifier))) return null;
    return isExcepted(file, specifier) ? null : "a module from outside belongs into adapters or bin";
  }
  if (!target.endsWith(".ts")) return "a relative import ends in .ts";
  if (target.startsWith("gen/") || (isTest(file) && target.startsWith("test/support/"))) return null;
  if (!target.startsWith("src/")) return "leaves src";
  const targetRoom = roomOf(target);
  if (targetRoom === "") return "src/mod.ts is the door for others, not for us";
  if (targetRoom === room) return null;
  if (room === "") return targetRoom === "bin" ? "the library does not contain the programs" : null;
  if (room === "engram" && !seenByEngram.test(target)) return `engram does not see ${target}`;
  return ringOf(targetRoom) < ringOf(room) ? null : `${room} does not see ${targetRoom}`;
}

const it = suite("layers");

it("every folder of src is a room with a place in the order", () => {
  const unknown = files.filter(({ path }) => roomOf(path) !== "" && ringOf(roomOf(path)) < 0).map(({ path }) => path);
  assert.equal(unknown, []);
  assert.equal(files.filter(({ path }) => roomOf(path) === "" && path !== "src/mod.ts").map(({ path }) => path), []);
});

function faultsOf(file: SourceFile): string[] {
  return file.imports.flatMap((specifier) => {
    const fault = faultOf(file, specifier);
    return fault === null ? [] : [`${file.path} imports ${specifier}: ${fault}`];
  });
}

it("imports point to the own room or to rooms on the left, and outwards only from adapters and bin", () => {
  assert.ok(files.length > 0);
  assert.equal(files.flatMap(faultsOf), []);
});

it("a type, a lazy import, a neighbour of the same ring and a module from outside are seen", () => {
  const file = lexSource(
    "src/hub/wrong.ts",
    `import type { World } from "../control/world.ts";
    import { readFile } from "node:fs/promises";
    import { Code } from "@connectrpc/connect";
    const later = () => import("../bin/hub.ts");
    type Clock = import("../adapters/clock.ts").SystemClock;
    import { fine } from "../contract/errors.ts";`,
  );
  assert.is(faultsOf(file).length, 5, faultsOf(file).join("\n"));
});

it("every exception is needed", () => {
  assert.equal(exceptions.filter((entry) => !used.has(entry)), []);
});

it("nothing has a default export, and only src/mod.ts passes a whole module on", () => {
  const faults = files.flatMap(({ path, exports }) => [
    ...exports.includes("default") ? [`${path}: default export`] : [],
    ...exports.includes("*") && path !== "src/mod.ts" ? [`${path}: export *`] : [],
  ]);
  assert.equal(faults, []);
});

it("a source file stays below 500 lines", () => {
  const long = files.filter(({ text }) => text.split("\n").length > 500).map(({ path }) => path);
  assert.equal(long, []);
});

it.run();
