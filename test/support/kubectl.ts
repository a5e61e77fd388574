/** kubectl and helm as a user calls them, on a cluster of the tests. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A program with a kubeconfig, and a folder of its own for what it keeps; remove it with `using`. */
export interface Tool extends Disposable {
  /** What it came to. */
  run(...args: readonly string[]): Ran;
  /** Standard output; throws where it ends with another code than 0. */
  must(...args: readonly string[]): string;
}

export function openTool(program: string, kubeconfig: string): Tool {
  const folder = mkdtempSync(join(tmpdir(), "bobravoz-tool-"));
  const env = {
    PATH: process.env["PATH"] ?? "",
    KUBECONFIG: kubeconfig,
    HOME: folder,
    KUBECACHEDIR: join(folder, "cache"),
  };
  const run = (...args: readonly string[]): Ran => {
    const { status, stdout, stderr } = spawnSync(program, args, {
      env,
      encoding: "utf8",
      timeout: 50_000,
      maxBuffer: 1 << 26,
    });
    return { code: status ?? -1, out: stdout, err: stderr };
  };
  return {
    run,
    must(...args) {
      const { code, out, err } = run(...args);
      if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${err}${out}`);
      return out;
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
