// `npm run test:conformance`: our gRPC and the hub's port held to the public suites, beside other implementations in
// the same run. Fails where a case fails that known-failures.json does not name, where a known one passes, and where a
// way of ours has more failures, or fewer passes, than the baseline.
//
//   server    connectconformance against servers: our own framing, the hub's Connect adapter, plain connect-node
//   client    connectconformance against clients: our own framing, connect-node
//   h2spec    against ports: the hub's, one of methods of our own framing, plain node:http2
//
// The programs come from `npm run tools`; CI=true builds them.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "../support/sources.ts";
import { missingTools, toolPath } from "../support/tools.ts";
import { faultsOf, knownOf, matches, type Result } from "./known.ts";
import { testHttp2 } from "./suite-http2.ts";
import { testRpc } from "./suite-rpc.ts";

async function runAll(rpc: string, h2: string): Promise<Result[]> {
  const results: Result[] = [];
  for (const way of ["own", "hub", "connect"]) results.push(await testRpc(rpc, "server", way));
  for (const way of ["own", "connect"]) results.push(await testRpc(rpc, "client", way));
  // most of h2spec's time is its waiting
  return [...results, ...await Promise.all(["hub", "own", "node"].map((way) => testHttp2(h2, way)))];
}

function print(result: Result): void {
  const { suite, way, isBaseline, passed, failures, raced } = result;
  const baseline = isBaseline ? "  (baseline)" : "";
  console.log(`${suite.padEnd(7)} ${way.padEnd(8)} ${passed} passed, ${failures.length} failed${baseline}`);
  for (const name of raced ?? []) console.log(`    passed when repeated alone: ${name}`);
  for (const { cases, reason, hangs } of knownOf(suite, way)) {
    const failed = failures.filter((name) => cases.some((pattern) => matches(pattern, name)));
    if (failed.length === 0) continue;
    console.log(`    known${hangs ? ", left out since the suite hangs" : ""}: ${reason}`);
    for (const name of failed) console.log(`      ${name}`);
  }
}

/** Where a way of ours is worse than the baseline of its suite. */
function worseThanBaseline(results: readonly Result[]): string[] {
  return results.filter(({ isBaseline }) => !isBaseline).flatMap((result) => {
    const baseline = results.find((other) => other.suite === result.suite && other.isBaseline);
    if (baseline === undefined) return [`${result.suite}: no baseline`];
    // h2spec leaves out what a server does not announce, so there passes are what counts
    const isWorse = result.suite === "h2spec"
      ? result.passed + racesLost(result) < baseline.passed + racesLost(baseline)
      : result.failures.length > baseline.failures.length;
    return isWorse ? [`${result.suite} ${result.way}: worse than ${baseline.way}`] : [];
  });
}

/** Failed cases that depend on timing alone. */
function racesLost({ suite, way, failures }: Result): number {
  const patterns = knownOf(suite, way).filter(({ sometimes }) => sometimes).flatMap(({ cases }) => cases);
  return failures.filter((name) => patterns.some((pattern) => matches(pattern, name))).length;
}

async function main(): Promise<number> {
  if (process.env["CI"] === "true" && missingTools().length > 0) {
    spawnSync(process.execPath, [join(root, "scripts", "tools.ts")], { cwd: root, stdio: "inherit" });
  }
  const rpc = toolPath("connectconformance");
  const h2 = toolPath("h2spec");
  if (rpc === null || h2 === null) {
    console.error("connectconformance and h2spec are not there; npm run tools builds them");
    console.log("0 passed, 1 failed");
    return 1;
  }
  const started = performance.now();
  const results = await runAll(rpc, h2);
  for (const result of results) print(result);
  const faults = [...results.flatMap(faultsOf), ...worseThanBaseline(results)];
  console.log(`\n${((performance.now() - started) / 1000).toFixed(1)} s`);
  for (const fault of faults) console.log(fault);
  const passed = results.filter(({ isBaseline }) => !isBaseline).reduce((sum, each) => sum + each.passed, 0);
  console.log(`\n${passed} passed, ${faults.length} failed`);
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
