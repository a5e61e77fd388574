/**
 * `npm run test:image`: builds both targets of the Containerfile for real, with buildah, and starts what is in them
 * as a cluster would: without a shell, as the unprivileged user, with nothing to write to. The base image is made here
 * by debootstrap, since no registry of images is needed for anything else. Where a program of Debian is missing, or
 * the machine refuses to be root, it is named and nothing runs.
 *
 *   apt-get install buildah debootstrap
 */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { request } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/free-port.ts";
import { root } from "../support/tools.ts";

const base = "localhost/bobravoz-test-base";
const cache = join(process.env["BOBRAVOZ_CACHE"] || join(root, ".cache"), "image");
const user = "65532";
/** Most of it is the download of Debian and of the packages. */
const limitMs = 900_000;

const env = { ...process.env, BUILDAH_ISOLATION: "chroot", STORAGE_DRIVER: "vfs" };
/** Whom this machine trusts beside the public authorities. */
const authorities = process.env["NODE_EXTRA_CA_CERTS"] ?? "";
let passed = 0;
let failed = 0;

const missing = ["buildah", "debootstrap"].filter((name) =>
  spawnSync(name, ["--version"], { stdio: "ignore" }).status !== 0
);
if (missing.length > 0 || process.getuid?.() !== 0) {
  console.log(`not run: ${missing.length > 0 ? missing.join(", ") : "root"} (apt-get install buildah debootstrap)`);
  process.exit(0);
}
makeBase();
await image("bobravoz", {
  "hub.mjs": ["--help"],
  "bobravoz.mjs": ["version"],
});
await image("connector", {});
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

function must(program: string, ...args: readonly string[]): string {
  const result = spawnSync(program, args, { cwd: root, env, encoding: "utf8", timeout: limitMs, maxBuffer: 1 << 28 });
  if (result.status === 0) return result.stdout.trim();
  console.error(`${result.stdout ?? ""}${result.stderr ?? ""}`.split("\n").slice(-40).join("\n"));
  throw new Error(`${program} ${args[0]}: ${result.error?.message ?? `exit code ${result.status}`}`);
}

function check(name: string, holds: boolean, detail = ""): void {
  console.log(`${holds ? "ok  " : "FAIL"} ${name}${holds || detail === "" ? "" : `: ${detail}`}`);
  if (holds) passed++;
  else failed++;
}

/** Debian with the Node that the project ships and the npm of this machine, as `node:26-slim` has them. */
function makeBase(): void {
  const folder = join(cache, "base");
  if (!existsSync(join(folder, "usr/local/bin/node"))) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(cache, { recursive: true });
    must("debootstrap", "--variant=minbase", "--include=ca-certificates,libatomic1", "bookworm", folder);
    const npm = join(must("npm", "root", "--global"), "npm");
    cpSync(npm, join(folder, "usr/local/lib/node_modules/npm"), { recursive: true, dereference: true });
    symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(folder, "usr/local/bin/npm"));
    // how packages are reached is the machine's business
    const npmrc = join(homedir(), ".npmrc");
    if (existsSync(npmrc)) cpSync(npmrc, join(folder, "root/.npmrc"));
    if (authorities !== "") cpSync(authorities, join(folder, "etc/machine-authorities.pem"));
    cpSync(process.execPath, join(folder, "usr/local/bin/node"));
  }
  const container = must("buildah", "from", "scratch");
  try {
    must("buildah", "copy", "--quiet", container, folder, "/");
    const trust = authorities === "" ? [] : ["--env", "NODE_EXTRA_CA_CERTS=/etc/machine-authorities.pem"];
    must("buildah", "config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", ...trust, container);
    must("buildah", "commit", "--quiet", container, base);
  } finally {
    must("buildah", "rm", container);
  }
}

async function image(target: string, programs: Readonly<Record<string, readonly string[]>>): Promise<void> {
  console.log(`\n${target}`);
  const begunMs = performance.now();
  must(
    "buildah",
    ...["build", "--layers=false", "--pull-never", "--network", "host", "--build-arg", `NODE_IMAGE=${base}`],
    ...["--file", "Containerfile", "--target", target, "--tag", `localhost/${target}`, "."],
  );
  check(`the target is built in ${((performance.now() - begunMs) / 1000).toFixed(0)} s`, true);
  const facts = JSON.parse(must("buildah", "inspect", "--type", "image", `localhost/${target}`)) as {
    readonly OCIv1: { readonly config: { readonly User?: string; readonly Entrypoint?: readonly string[] } };
  };
  const { User: runsAs = "", Entrypoint: entrypoint = [] } = facts.OCIv1.config;
  check("it runs as a user without rights, by number", runsAs.startsWith(user), runsAs);
  check("it starts a program, no shell", entrypoint.length > 0 && !entrypoint[0]!.endsWith("sh"), entrypoint.join(" "));
  const container = must("buildah", "from", "--pull-never", `localhost/${target}`);
  try {
    const folder = must("buildah", "mount", container);
    const whole = must("du", "-s", "--block-size=1M", folder).split(/\s/)[0];
    const ours = must("du", "-s", "--block-size=1K", join(folder, "app")).split(/\s/)[0];
    console.log(`     ${whole} MB with the base image, ${ours} KiB of it ours`);
    for (const shell of ["bin/sh", "bin/bash", "bin/dash"]) rmSync(join(folder, "usr", shell), { force: true });
    check("/connector is there for webhooks of either operator", isExecutable(join(folder, "connector")));
    const files = readdirSync(join(folder, "app")).filter((file) => file.endsWith(".mjs"));
    console.log(`     programs: ${files.join(", ")}`);
    const connector = readFileSync(join(folder, "app/connector.mjs"), "utf8");
    check("the connector carries no Kubernetes client", !connector.includes("loadFromDefault"));
    for (const [program, args] of Object.entries(programs)) {
      const run = inside(folder, "/usr/local/bin/node", `/app/${program}`, ...args);
      check(`${program} ${args.join(" ")} starts without a shell`, run.status === 0, run.text);
    }
    const run = inside(folder, "/connector", "--help");
    check("/connector --help starts without a shell", run.status === 0, run.text);
    const none = inside(folder, "/connector");
    check("/connector without its variables names them", none.status !== 0 && /BUBU_/.test(none.text), none.text);
    if (target === "bobravoz") await serves(folder);
    check("nothing was written where it runs", written(folder).length === 0, written(folder).join(", "));
  } finally {
    must("buildah", "rm", container);
  }
}

function isExecutable(path: string): boolean {
  try {
    const { mode } = lstatSync(path);
    return lstatSync(path).isSymbolicLink() || (mode & 0o111) !== 0;
  } catch {
    return false;
  }
}

function inside(
  folder: string,
  ...command: readonly string[]
): { readonly status: number | null; readonly text: string } {
  const { status, stdout, stderr, error } = spawnSync("chroot", [`--userspec=${user}:${user}`, folder, ...command], {
    env: { PATH: "/usr/local/bin:/usr/bin:/usr/sbin", NODE_COMPILE_CACHE: "/app/cache" },
    encoding: "utf8",
    timeout: 30_000,
  });
  return { status, text: error?.message ?? `${stdout}${stderr}`.trim().split("\n").slice(-3).join(" | ") };
}

/** The hub of the image serves a folder of manifests and is ready. */
async function serves(folder: string): Promise<void> {
  mkdirSync(join(folder, "manifests"), { recursive: true });
  cpSync(join(root, "examples/voice"), join(folder, "manifests"), { recursive: true });
  const [port, health] = [await freePort(), await freePort()];
  const begunMs = performance.now();
  const child = spawn("chroot", [
    ...[`--userspec=${user}:${user}`, folder, "/usr/local/bin/node", "/app/hub.mjs", "--manifests", "/manifests"],
    ...["--listen", `127.0.0.1:${port}`, "--health-listen", `127.0.0.1:${health}`],
  ], {
    env: { PATH: "/usr/local/bin:/usr/sbin", NODE_COMPILE_CACHE: "/app/cache" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    let status = 0;
    while (status !== 200 && performance.now() - begunMs < 20_000) {
      status = await statusOf(`http://127.0.0.1:${health}/readyz`);
      if (status !== 200) await sleep(20);
    }
    check(`the hub of the image is ready after ${Math.round(performance.now() - begunMs)} ms`, status === 200);
  } finally {
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    check("it ends in order on SIGTERM", await ended === 0);
  }
}

function statusOf(url: string): Promise<number> {
  return new Promise((resolve) => {
    const call = request(url, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    call.on("error", () => resolve(0));
    call.end();
  });
}

/** Files that belong to the user and are newer than the image. */
function written(folder: string): readonly string[] {
  const found = spawnSync("find", [
    folder,
    "-xdev",
    "-type",
    "f",
    "-uid",
    user,
    "-mmin",
    "-1",
    "-newer",
    `${folder}/manifests`,
  ], {
    encoding: "utf8",
  });
  return found.status === 0 ? found.stdout.split("\n").filter((line) => line !== "") : [];
}
