/** Tests that need kubectl beside an API server, left out by name where the machine has none. */
import type { Test } from "uvu";
import { bedPrograms, testOnCluster } from "./apiserver/bed.ts";
import { lacking, leaveOut } from "./tools.ts";

/** Adds a test that calls kubectl on an API server. */
export function testWithKubectl(suite: Test, name: string, handler: () => Promise<void>): void {
  const lacks = lacking("kubectl");
  if (lacks !== null && bedPrograms() !== null) leaveOut(suite, lacks, name);
  else testOnCluster(suite, name, handler);
}
