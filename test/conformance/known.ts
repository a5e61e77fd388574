// The failures that are known, each with its reason (known-failures.json), and what a run makes of them.

import { readFileSync } from "node:fs";

export interface KnownFailure {
  readonly suite: string;
  readonly ways: readonly string[];
  /** Patterns of case names: `*` is one part between slashes. */
  readonly cases: readonly string[];
  readonly reason: string;
  /** The suite cannot go on after it: the case is left out and counted as failed. */
  readonly hangs?: boolean;
  /** It depends on timing: a run in which it passes is fine. */
  readonly sometimes?: boolean;
}

/** One suite against one way. */
export interface Result {
  readonly suite: string;
  readonly way: string;
  /** The foreign implementation that others are compared with. */
  readonly isBaseline: boolean;
  readonly passed: number;
  readonly failures: readonly string[];
  /** Cases that failed in the run and passed when they were repeated alone; they count as passed. */
  readonly raced?: readonly string[];
  /** Why the suite did not come to its end; null where it did. */
  readonly broken: string | null;
}

const all: readonly KnownFailure[] = JSON.parse(readFileSync(new URL("known-failures.json", import.meta.url), "utf8"));

export function knownOf(suite: string, way: string): readonly KnownFailure[] {
  return all.filter((known) => known.suite === suite && known.ways.includes(way));
}

export function isKnown(suite: string, way: string, name: string): boolean {
  return knownOf(suite, way).some(({ cases }) => cases.some((pattern) => matches(pattern, name)));
}

export function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("/");
  const found = name.split("/");
  return parts.length === found.length && parts.every((part, i) => part === "*" || part === found[i]);
}

/** What is wrong with a result: failures that nobody knows of, known ones that pass, and a suite that broke off. */
export function faultsOf({ suite, way, failures, broken }: Result): string[] {
  const known = knownOf(suite, way);
  const passing = known.filter((each) => !each.hangs && !each.sometimes).flatMap(({ cases }) =>
    cases.filter((pattern) => !failures.some((name) => matches(pattern, name)))
  );
  return [
    ...broken === null ? [] : [`${suite} ${way}: ${broken}`],
    ...failures.filter((name) => !isKnown(suite, way, name)).map((name) => `${suite} ${way}: failed: ${name}`),
    ...broken === null ? passing.map((name) => `${suite} ${way}: known as a failure, but passed: ${name}`) : [],
  ];
}
