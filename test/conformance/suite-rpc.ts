// connectconformance (connectrpc.com/conformance) against one of our programs.

import process from "node:process";
import { fileURLToPath } from "node:url";
import { knownOf, type Result } from "./known.ts";
import { runCommand } from "./run-command.ts";

const deadlineMs = 90_000;

/** Runs the suite: `side` is what is tested. */
export async function testRpc(tool: string, side: "server" | "client", way: string): Promise<Result> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const skipped = knownOf(side, way).filter(({ hangs }) => hangs).flatMap(({ cases }) => cases);
  const { output, exitCode } = await runCommand(tool, [
    ...["--conf", path("config.yaml"), "--mode", side],
    ...skipped.flatMap((pattern) => ["--skip", pattern]),
    ...["--", process.execPath, path(`${side}.ts`), way],
  ], deadlineMs);
  const totals = /^([0-9]+) passed, ([0-9]+) failed$/m.exec(output);
  const failures = [...new Set([...output.matchAll(/^FAILED: (.+):$/gm)].map((match) => match[1]!))];
  const broken = totals === null || /could not be run/.test(output) || Number(totals[2]) !== failures.length
    ? `the suite ended with exit code ${exitCode}:\n${output.split("\n").slice(-20).join("\n")}`
    : null;
  const passed = Number(totals?.[1] ?? 0);
  return { suite: side, way, isBaseline: way === "connect", passed, failures: [...failures, ...skipped], broken };
}
