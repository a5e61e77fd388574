// `buf breaking` against the last release really guards the wire: a removed or renumbered field fails.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { root } from "./support/sources.ts";

const it = suite("breaking changes of proto/");

/** Runs `buf breaking` over a copy of proto/ whose transport.proto was changed by `edit`. */
function breaking(edit: (text: string) => string) {
  const folder = mkdtempSync(join(tmpdir(), "bobravoz-breaking-"));
  try {
    cpSync(join(root, "proto"), join(folder, "proto"), { recursive: true });
    cpSync(join(root, "buf.yaml"), join(folder, "buf.yaml"));
    const file = join(folder, "proto", "transport", "v1", "transport.proto");
    const before = readFileSync(file, "utf8");
    const after = edit(before);
    writeFileSync(file, after);
    const buf = join(root, "node_modules", ".bin", "buf");
    const args = ["breaking", "--against", join(root, "proto", "released.binpb")];
    const result = spawnSync(buf, args, { cwd: folder, encoding: "utf8", timeout: 30_000 });
    return { changed: after !== before, code: result.status, out: result.stdout + result.stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A field that BindingInfo alone has. */
const field = /^ *bytes payload = 6;\n/m;

it("the wire as it stands breaks nothing", () => {
  const result = breaking((text) => text);
  assert.is(result.code, 0, result.out);
});

it("a new field breaks nothing", () => {
  const result = breaking((text) => text.replace(/^message BindingInfo \{\n/m, "$&  string extra = 1999;\n"));
  assert.ok(result.changed);
  assert.is(result.code, 0, result.out);
});

it("a removed field is refused by name", () => {
  const result = breaking((text) => text.replace(field, ""));
  assert.ok(result.changed);
  assert.is(result.code, 100, result.out);
  assert.match(result.out, "payload");
});

it("a renumbered field is refused", () => {
  const result = breaking((text) => text.replace(field, "  bytes payload = 1999;\n"));
  assert.ok(result.changed);
  assert.is(result.code, 100, result.out);
});

it.run();
