/**
 * Nanoseconds per call of functions on the hot path: `node bench/micro.ts [WORD]` runs the cases of `micro-cases.ts`
 * whose name contains the word. Compares two versions of one function; what a hub does, only `npm run bench` says.
 */
import process from "node:process";
import { microCases } from "./micro-cases.ts";
import { tableText } from "./report.ts";

/** A function under measurement. */
export interface MicroCase {
  readonly name: string;
  /**
   * Makes the function. Each call of it does the work `perCall` times; what it returns is kept from the optimiser.
   * Preparation belongs here, not into the function.
   */
  prepare(): { readonly perCall: number; run(): unknown };
}

export interface MicroResult {
  readonly name: string;
  readonly medianNs: number;
  /** The fastest tenth: nearest to what the code costs when nothing disturbs it. */
  readonly p10Ns: number;
  readonly p90Ns: number;
}

const warmMs = 300;
const samples = 60;
const sampleMs = 5;

/** Measures one case: warms it up, finds how many calls take 5 ms, then takes 60 samples of that. */
export function measureMicro(of: MicroCase): MicroResult {
  const { perCall, run } = of.prepare();
  let kept: unknown;
  let calls = 0;
  const warmUntil = performance.now() + warmMs;
  const began = performance.now();
  for (; performance.now() < warmUntil; calls++) kept = run();
  const perSample = Math.max(1, Math.round(calls * sampleMs / (performance.now() - began)));
  const nanos: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    const begin = performance.now();
    for (let i = 0; i < perSample; i++) kept = run();
    nanos.push((performance.now() - begin) * 1e6 / perSample / perCall);
  }
  // a use that cannot be left out
  if (kept === microCases) throw new Error("a case returned the list of cases");
  nanos.sort((a, b) => a - b);
  const at = (q: number) => nanos[Math.floor(q * nanos.length)]!;
  return { name: of.name, medianNs: at(0.5), p10Ns: at(0.1), p90Ns: at(0.9) };
}

if (import.meta.main) {
  const word = process.argv[2] ?? "";
  const results = microCases.filter(({ name }) => name.includes(word)).map(measureMicro);
  const lines = results.map(({ name, ...nanos }) => [
    name,
    nanos.medianNs.toFixed(1),
    nanos.p10Ns.toFixed(1),
    nanos.p90Ns.toFixed(1),
  ]);
  console.log(tableText([["", "median ns", "p10", "p90"], ...lines]));
}
