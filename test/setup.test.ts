// The hook in front of every script, with an npm of our own that only notes that it was called.

import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { root } from "./support/sources.ts";

interface Checkout extends AsyncDisposable {
  readonly folder: string;
  /** Runs the hook; answers its exit code and what it said. */
  hook(env?: Record<string, string>): Promise<{ code: number; err: string }>;
  /** How often npm was called so far. */
  installs(): Promise<number>;
}

/** Stands in for npm: replaces node_modules as `npm ci` does, or breaks off half-way. */
const npm = `import { appendFileSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
appendFileSync("calls", process.argv.slice(2).join(" ") + "\\n");
rmSync("node_modules", { recursive: true, force: true });
mkdirSync("node_modules/.bin", { recursive: true });
await new Promise((resolve) => setTimeout(resolve, 100));
if (process.env.BREAK_OFF) process.exit(1);
symlinkSync(process.execPath, "node_modules/.bin/node");
`;

async function checkout(): Promise<Checkout> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "bobravoz-setup-")));
  const node = await realpath(join(root, "node_modules", ".bin", "node"));
  await mkdir(join(folder, "scripts"));
  await cp(join(root, "scripts", "setup.mjs"), join(folder, "scripts", "setup.mjs"));
  await writeFile(join(folder, "package-lock.json"), "{}");
  await writeFile(join(folder, "npm.mjs"), npm);
  return {
    folder,
    hook: (env = {}) =>
      new Promise((resolve) => {
        const own = { ...process.env, npm_execpath: join(folder, "npm.mjs"), npm_node_execpath: node, ...env };
        const options = { cwd: folder, env: own, timeout: 20_000 };
        execFile(node, [join(folder, "scripts", "setup.mjs")], options, (error, _, err) => {
          resolve({ code: error === null ? 0 : Number(error.code ?? -1), err });
        });
      }),
    installs: async () => (await readFile(join(folder, "calls"), "utf8").catch(() => "")).split("\n").length - 1,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

const it = suite("install hook");

it("a new checkout is installed, and then left alone", async () => {
  await using c = await checkout();
  assert.is((await c.hook()).code, 0);
  assert.is(await c.installs(), 1);
  assert.match(await readFile(join(c.folder, "calls"), "utf8"), /^ci .*--include=dev/);
  const again = await c.hook();
  assert.is(again.err, "");
  assert.is(await c.installs(), 1);
});

it("a changed lockfile is installed again", async () => {
  await using c = await checkout();
  await c.hook();
  await writeFile(join(c.folder, "package-lock.json"), '{"changed": true}');
  assert.is((await c.hook()).code, 0);
  assert.is(await c.installs(), 2);
});

it("an install that broke off fails the script, and is done again by the next", async () => {
  await using c = await checkout();
  await c.hook();
  await writeFile(join(c.folder, "package-lock.json"), '{"changed": true}');
  const broken = await c.hook({ BREAK_OFF: "1" });
  assert.is(broken.code, 1);
  assert.match(broken.err, "npm ci ended with exit code 1");
  assert.is((await c.hook()).code, 0);
  assert.is(await c.installs(), 3);
});

it("two scripts started at once install once", async () => {
  await using c = await checkout();
  const both = await Promise.all([c.hook(), c.hook()]);
  assert.equal(both.map(({ code }) => code), [0, 0]);
  assert.is(await c.installs(), 1);
});

it("a lock whose owner died does not stop the next script", async () => {
  await using c = await checkout();
  await mkdir(join(c.folder, ".cache", "setup.lock"), { recursive: true });
  await writeFile(join(c.folder, ".cache", "setup.lock", "pid"), "999999999");
  assert.is((await c.hook()).code, 0);
  assert.is(await c.installs(), 1);
});

it("an install without the Node of the project says what to allow", async () => {
  await using c = await checkout();
  await writeFile(join(c.folder, "npm.mjs"), npm.replace(/^symlinkSync.*$/m, ""));
  const result = await c.hook();
  assert.is(result.code, 1);
  assert.match(result.err, "allow its install script");
});

it.run();
