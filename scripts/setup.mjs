// Makes node_modules fit package-lock.json before any other script runs. This file is the hook in front of every npm
// script, so it is plain JavaScript for Node 20 and needs nothing but what Node and npm bring: the machine's own Node
// may be older than the one the project runs on, which arrives with the install (npm package `node`).
//
// What was installed is recorded in a stamp inside node_modules, written last: an interrupted install leaves none, and
// `npm ci` removes the old one with the folder. A fresh folder costs one hash of the lockfile.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));
const modules = join(root, "node_modules");
const stampFile = join(modules, ".bobravoz-setup");
const lockFolder = join(root, ".cache", "setup.lock");

/** How long a second script waits for the install of a first one. */
const lockWaitMs = 600_000;

/** How long a lock may lack its owner's number. */
const lockUnsignedMs = 5_000;

function wantedStamp() {
  const hash = createHash("sha256").update(readFileSync(join(root, "package-lock.json"))).digest("hex");
  return `${hash} ${process.platform} ${process.arch}\n`;
}

function isFresh() {
  try {
    return readFileSync(stampFile, "utf8") === wantedStamp();
  } catch {
    return false; // no stamp: never installed, or not to the end
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Whether the owner of the lock is gone: its process is, or it never came to write its number. */
function isAbandoned() {
  try {
    const owner = Number(readFileSync(join(lockFolder, "pid"), "utf8"));
    if (owner > 0) return !isAlive(owner);
  } catch {
    // between its two steps, or just given back
  }
  const made = statSync(lockFolder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
  return Date.now() - made > lockUnsignedMs;
}

/** Two scripts started at once in a new clone: the second waits, and then finds the folder fresh. */
function lock() {
  mkdirSync(dirname(lockFolder), { recursive: true });
  const giveUp = Date.now() + lockWaitMs;
  for (;;) {
    try {
      mkdirSync(lockFolder);
      writeFileSync(join(lockFolder, "pid"), String(process.pid));
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (isAbandoned()) rmSync(lockFolder, { recursive: true, force: true });
    else if (Date.now() > giveUp) {
      throw new Error(`${lockFolder} is still held; remove the folder if no install is running`);
    }
    sleep(200);
  }
}

/**
 * A Node for npm that the install does not delete under it: npm's own, or, where npm already runs on the Node of
 * node_modules, a link to that binary outside.
 */
function stableNode() {
  const path = realpathSync(process.env.npm_node_execpath ?? process.execPath);
  if (!path.startsWith(modules + sep)) return path;
  const copy = join(lockFolder, process.platform === "win32" ? "node.exe" : "node");
  try {
    linkSync(path, copy);
  } catch {
    copyFileSync(path, copy); // another file system, or one without links
  }
  return copy;
}

function install() {
  console.error("setup: installing node_modules (npm ci)");
  rmSync(stampFile, { force: true });
  const node = stableNode();
  const npm = process.env.npm_execpath;
  const args = [
    "ci",
    "--loglevel=error",
    "--no-audit",
    "--no-fund",
    "--include=dev",
    "--ignore-scripts=false",
    "--engine-strict=false",
  ];
  const env = { ...process.env, NODE: node };
  if (dirname(node) === lockFolder) env.PATH = `${lockFolder}${delimiter}${env.PATH ?? ""}`;
  // npm tells its children how it was called; the inner npm is called differently.
  for (const name of ["npm_command", "npm_lifecycle_event", "npm_lifecycle_script", "npm_node_execpath"]) {
    delete env[name];
  }
  const stdio = ["ignore", 2, 2]; // whoever reads the script's output gets no word of npm in it
  const result = npm && existsSync(npm)
    ? spawnSync(node, [npm, ...args], { cwd: root, env, stdio })
    : spawnSync("npm", args, { cwd: root, env, stdio, shell: process.platform === "win32" });
  if (result.error) throw new Error(`npm did not start: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`npm ci ended with ${result.signal ?? `exit code ${result.status}`}`);
  const installed = spawnSync(join(modules, ".bin", "node"), ["--version"], { encoding: "utf8" });
  if (installed.status !== 0) {
    throw new Error("the npm package `node` came without its binary: allow its install script in package.json");
  }
  writeFileSync(stampFile, wantedStamp());
  console.error(`setup: done, scripts run on Node ${installed.stdout.trim().slice(1)}`);
}

function setup() {
  if (isFresh()) return;
  lock();
  try {
    if (!isFresh()) install();
  } finally {
    rmSync(lockFolder, { recursive: true, force: true });
  }
}

/** After an `npm ci` or `npm install` by hand: the folder is complete, unless it was asked to be less. */
function stampByHand() {
  if (process.env.npm_config_omit || !existsSync(join(modules, ".bin", "node"))) return;
  writeFileSync(stampFile, wantedStamp());
}

try {
  if (process.argv.includes("--stamp")) stampByHand();
  else setup();
} catch (error) {
  console.error(`setup: ${error.message}`);
  process.exitCode = 1;
}
