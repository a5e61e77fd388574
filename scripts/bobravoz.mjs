#!/usr/bin/env node
// `npx bobravoz` in a checkout: runs the program on the Node of node_modules where this one is too old for it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const bundle = at("dist/bobravoz.mjs");
const source = at("src/bin/bobravoz.ts");
// an installed package has the bundle only: Node runs no TypeScript below node_modules
const program = existsSync(source) && !source.includes("node_modules") ? source : bundle;

if (Number(process.versions.node.split(".")[0]) >= 24) {
  process.argv[1] = program;
  await import(program);
} else {
  const node = at("node_modules/.bin/node");
  if (!existsSync(node)) {
    console.error("bobravoz: needs Node 24 or newer; in a checkout, npm ci installs one");
    process.exit(1);
  }
  const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: "inherit" });
  // a terminal signals both; a supervisor only this one
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
