/** Prints where the time went: the functions of CPU profiles by their own time. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tableText } from "./report.ts";

const shownFunctions = 25;

/** The part of a `.cpuprofile` that is read. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly children?: readonly number[];
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Prints the top functions of every profile in `directory`. */
export function printProfiles(directory: string): void {
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".cpuprofile"))) {
    const profile = JSON.parse(readFileSync(join(directory, file), "utf8")) as CpuProfile; // Node wrote it
    console.log(`${file}\n${profileText(profile)}\n`);
  }
}

function profileText({ nodes, samples, timeDeltas }: CpuProfile): string {
  const callers = new Map<number, string>();
  for (const { children, callFrame } of nodes) {
    for (const child of children ?? []) callers.set(child, callFrame.functionName);
  }
  const names = new Map<number, string>();
  for (const { id, callFrame: { functionName, url, lineNumber } } of nodes) {
    // what has neither name nor place is a function of the runtime: its caller tells more
    const place = url !== ""
      ? ` ${url.split("/").slice(-2).join("/")}:${lineNumber + 1}`
      : functionName === ""
      ? ` called by ${callers.get(id) ?? "nobody"}`
      : "";
    names.set(id, `${functionName || "(anonymous)"}${place}`);
  }
  const microsByName = new Map<string, number>();
  let total = 0;
  samples.forEach((id, i) => {
    const name = names.get(id)!;
    if (name === "(idle)" || name === "(root)") return;
    microsByName.set(name, (microsByName.get(name) ?? 0) + timeDeltas[i]!);
    total += timeDeltas[i]!;
  });
  const top = [...microsByName].sort((a, b) => b[1] - a[1]).slice(0, shownFunctions);
  return tableText([
    ["function", "own ms", "%"],
    ...top.map(([name, micros]) => [name, (micros / 1000).toFixed(0), (100 * micros / total).toFixed(1)]),
  ]);
}
