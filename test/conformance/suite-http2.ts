// h2spec (github.com/summerwind/h2spec) against one of our ports.

import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { isKnown, type Result } from "./known.ts";
import { runCommand } from "./run-command.ts";

const deadlineMs = 120_000;

/** How often a failed case may be repeated. */
const repeats = 3;

const groups: Readonly<Record<string, string>> = {
  "Generic tests for HTTP/2 server": "generic",
  "Hypertext Transfer Protocol Version 2 (HTTP/2)": "http2",
  "HPACK: Header Compression for HTTP/2": "hpack",
};

export async function testHttp2(tool: string, way: string): Promise<Result> {
  const program = fileURLToPath(new URL("h2-server.ts", import.meta.url));
  const server = spawn(process.execPath, [program, way], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const port = await new Promise<string>((resolve, reject) => {
      createInterface(server.stdout).once("line", resolve);
      server.once("exit", (code) => reject(new Error(`the server ended with exit code ${code}`)));
    });
    const { output, exitCode } = await runCommand(tool, ["--port", port], deadlineMs);
    const totals = readTotals(output);
    const failed = readFailures(output);
    // cases race with the answer to their own request: on a busy machine one that can pass may fail
    const raced: string[] = [];
    for (const name of failed.filter((each) => !isKnown("h2spec", way, each))) {
      if (await passesAlone(tool, port, name)) raced.push(name);
    }
    const isComplete = totals !== null && totals.failed === failed.length && server.exitCode === null;
    return {
      suite: "h2spec",
      way,
      isBaseline: way === "node",
      passed: (totals?.passed ?? 0) + raced.length,
      failures: failed.filter((name) => !raced.includes(name)),
      raced,
      broken: isComplete ? null : `the suite ended with exit code ${exitCode}:\n${output.slice(-1000)}`,
    };
  } finally {
    server.kill();
  }
}

async function passesAlone(tool: string, port: string, name: string): Promise<boolean> {
  for (let i = 0; i < repeats; i++) {
    const { output } = await runCommand(tool, [name, "--port", port], deadlineMs);
    const totals = readTotals(output);
    if (totals !== null && totals.passed > 0 && totals.failed === 0) return true;
  }
  return false;
}

function readTotals(output: string): { readonly passed: number; readonly failed: number } | null {
  const match = /^[0-9]+ tests, ([0-9]+) passed, [0-9]+ skipped, ([0-9]+) failed$/m.exec(output);
  return match === null ? null : { passed: Number(match[1]), failed: Number(match[2]) };
}

/** Names like `http2/5.1.2/1` of the failed cases: group, section of the RFC, number in it. */
function readFailures(output: string): string[] {
  const failures: string[] = [];
  let group = "";
  let section = "";
  for (const line of output.slice(output.lastIndexOf("\nFailures:")).split("\n")) {
    group = groups[line.trim()] ?? group;
    section = /^ +([0-9]+(?:\.[0-9]+)*)\. /.exec(line)?.[1] ?? section;
    const number = /^ +× ([0-9]+): /.exec(line)?.[1];
    if (number !== undefined) failures.push(`${group}/${section}/${number}`);
  }
  return failures;
}
