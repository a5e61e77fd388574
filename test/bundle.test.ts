// The files of `npm run bundle` run where there is nothing but Node, and the hub's holds the hub alone.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { root } from "./support/sources.ts";

const node = join(root, "node_modules", ".bin", "node");
const folder = mkdtempSync(join(tmpdir(), "bobravoz-bundle-"));

function run(...args: string[]) {
  const result = spawnSync(node, args, { cwd: folder, encoding: "utf8", timeout: 30_000, env: {} });
  return { code: result.status, out: result.stdout, err: result.stderr };
}

const it = suite("bundle");

it.after(() => rmSync(folder, { recursive: true, force: true }));

it("is written, one file per program", () => {
  const script = join(root, "scripts", "bundle.ts");
  const { status, stderr } = spawnSync(node, [script, "--out", folder], { encoding: "utf8", timeout: 50_000 });
  assert.is(status, 0, stderr);
});

it("bobravoz.mjs runs without node_modules", () => {
  const { code, out, err } = run("bobravoz.mjs", "version", "--output", "json");
  assert.is(code, 0, err);
  assert.is(JSON.parse(out).version, JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version);
});

it("bobravoz.mjs holds the subcommands that are imported when they are called", () => {
  for (const name of ["local", "inspect", "bindings", "send", "recv", "hub", "certificates"]) {
    const { code, err } = run("bobravoz.mjs", name, "--no-such-flag");
    assert.is(code, 2, err);
    assert.match(err, "no-such-flag");
  }
});

it("bobravoz.mjs holds the Kubernetes client, and an image needs no package for it", () => {
  const { code, err } = run("bobravoz.mjs", "certificates", "--once", "--kubeconfig", "missing.yaml");
  assert.is.not(code, 0);
  assert.match(err, /missing\.yaml.*\(InvalidConfiguration\)/);
});

it("hub.mjs is the subcommand hub, without the others", () => {
  const { code, err } = run("hub.mjs", "--no-such-flag");
  assert.is(code, 2, err);
  assert.match(err, "no-such-flag");
  const size = (name: string) => readFileSync(join(folder, name)).length;
  assert.ok(size("hub.mjs") < size("bobravoz.mjs"));
});

it("connector.mjs is the sidecar, without Connect, Kubernetes, what reads manifests or renders the hub's metrics", () => {
  const { code, err } = run("connector.mjs", "--no-such-flag");
  assert.is(code, 2, err);
  assert.match(err, "no-such-flag");
  const text = readFileSync(join(folder, "connector.mjs"), "utf8");
  for (
    const foreign of ["connect-protocol-version", "YAMLParseError", "prom-client", "process_cpu_seconds", "KubeConfig"]
  ) {
    assert.not(text.includes(foreign), foreign);
  }
});

it.run();
