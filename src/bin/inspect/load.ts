/** The Stories of a file or folder with what stands beside them, read without any server. */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { faultText, type ManifestFault, manifestPattern, parseManifests } from "../../adapters/cluster/manifests.ts";
import { objectsInForce } from "../../adapters/cluster/objects-in-force.ts";
import { TransportError } from "../../contract/errors.ts";
import type { Resource, Story } from "../../contract/resources.ts";

export interface LoadedStories {
  /** The Stories to show: those of the file, or all of the folder. */
  readonly stories: readonly Story[];
  /** Every object of the folder. */
  readonly objects: readonly Resource[];
  /** Faults of manifests beside the ones that were asked for: they may be why something is missing. */
  readonly neighbourFaults: readonly string[];
}

/**
 * Reads the manifests at `path`. Throws `NotFound` where there is no such file, and `BadManifest` with every fault of
 * what was asked for, each with file, line and column.
 */
export async function loadStories(path: string): Promise<LoadedStories> {
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const text = error.code === "ENOENT"
      ? `no such file or directory: ${path}`
      : `cannot read ${path}: ${error.message}`;
    throw new TransportError("NotFound", text, { path }, { cause: error });
  });
  const folder = facts.isDirectory() ? path : dirname(path);
  const asked = facts.isDirectory() ? null : basename(path);
  const names = (await readdir(folder)).filter((name) => manifestPattern.test(name) || name === asked).sort();
  const own: ManifestFault[] = [];
  const others: ManifestFault[] = [];
  const files: [string, ReturnType<typeof parseManifests>][] = [];
  for (const name of names) {
    const file = join(folder, name);
    if (!(await stat(file)).isFile()) continue;
    const manifests = parseManifests(file, await readFile(file, "utf8"));
    files.push([file, manifests]);
    (asked === null || asked === name ? own : others).push(...manifests.faults);
  }
  // What was asked for is in force, whatever its neighbours declare.
  if (asked !== null) files.sort(([a], [b]) => Number(basename(b) === asked) - Number(basename(a) === asked));
  const { objects, faults } = objectsInForce(files);
  (asked === null ? own : others).push(...faults);
  if (own.length > 0) throw new TransportError("BadManifest", own.map(faultText).join("\n"), { path });
  const askedFor = files.filter(([file]) => asked === null || basename(file) === asked);
  const wanted = new Set(askedFor.flatMap(([, { objects }]) => objects).map((placed) => storyKey(placed.object)));
  const stories = objects.filter((object): object is Story => object.kind === "Story" && wanted.has(storyKey(object)));
  if (stories.length === 0) throw new TransportError("NotFound", `no Story in ${path}`, { path });
  return { stories, objects, neighbourFaults: others.map(faultText) };
}

function storyKey({ kind, metadata }: Resource): string {
  return `${kind}/${metadata.namespace || "default"}/${metadata.name}`;
}
