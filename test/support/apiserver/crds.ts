/** The CustomResourceDefinitions that tests install: the real ones where they can be read, else our development set. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { root } from "../tools.ts";

export interface CrdFolder {
  readonly folder: string;
  /** Whether they are those of the workflow operator itself. */
  readonly areReal: boolean;
}

/** BOBRAVOZ_TEST_CRDS, else the shared folder beside the checkout, else `manifests/crds`. */
export function crdFolder(): CrdFolder {
  const named = process.env["BOBRAVOZ_TEST_CRDS"];
  if (named !== undefined && named !== "") return { folder: named, areReal: true };
  const shared = join(dirname(root), "shared", "upstream", "crds");
  return existsSync(shared)
    ? { folder: shared, areReal: true }
    : { folder: join(root, "manifests", "crds"), areReal: false };
}
