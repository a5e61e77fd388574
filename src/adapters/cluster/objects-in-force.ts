/** What the manifests of a folder say together: namespaces filled in, one object per name, a run for each Story. */
import { compose } from "../../contract/compose.ts";
import type { Resource, Story, StoryRun } from "../../contract/resources.ts";
import type { ManifestFault, Placed } from "./manifests.ts";
import { clusterScoped } from "./memory.ts";

/** Namespace of a manifest that names none, as for `kubectl apply`. */
export const defaultNamespace = "default";

export interface InForce {
  readonly objects: readonly Resource[];
  /** Objects that a file before has declared already. */
  readonly faults: readonly ManifestFault[];
}

/** Files in the order in which they count: of two objects of one name the first is in force. */
export function objectsInForce(
  files: readonly (readonly [string, { readonly objects: readonly Placed[] }])[],
): InForce {
  const objects = new Map<string, Resource>();
  const places = new Map<string, string>();
  const faults: ManifestFault[] = [];
  for (const [file, { objects: placed }] of files) {
    for (const { object: written, line, column } of placed) {
      const object = resident(written);
      const { kind, metadata: { namespace, name } } = object;
      const key = `${kind}/${namespace ?? ""}/${name}`;
      const place = places.get(key);
      if (place !== undefined) {
        faults.push({ file, line, column, message: `${kind} "${name}" is declared in ${place} already` });
        continue;
      }
      places.set(key, `${file}:${line}`);
      objects.set(key, object);
    }
  }
  const all = [...objects.values()];
  return { objects: [...all, ...madeUpRuns(all)], faults };
}

/** The object in its namespace, without a status that somebody pasted along. */
function resident(object: Resource): Resource {
  const { status: _, ...rest } = object;
  const { namespace: _namespace, ...metadata } = object.metadata;
  const namespace = clusterScoped.has(object.kind) ? {} : { namespace: object.metadata.namespace || defaultNamespace };
  return { ...rest, metadata: { ...metadata, ...namespace } } as Resource;
}

/** A StoryRun for each realtime Story to which no StoryRun refers. */
function madeUpRuns(objects: readonly Resource[]): readonly StoryRun[] {
  const runs = objects.filter((object): object is StoryRun => object.kind === "StoryRun");
  const used = new Set(
    runs.map(({ spec: { storyRef }, metadata }) => `${storyRef.namespace || metadata.namespace}/${storyRef.name}`),
  );
  const stories = objects.filter((object): object is Story => object.kind === "Story");
  return stories
    .filter(({ spec, metadata }) => spec.pattern === "realtime" && !used.has(`${metadata.namespace}/${metadata.name}`))
    .map(({ metadata: { namespace, name } }) => ({
      kind: "StoryRun",
      metadata: { name: compose([name, "local"]), namespace },
      spec: { storyRef: { name } },
    }));
}
