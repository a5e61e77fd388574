/**
 * Where a run is placed, as its bindings record it: `status.endpoint` is a hub pod's address, and the condition
 * `EndpointResolved` says where no hub was ready when it was written.
 */
import { annotations } from "../contract/names.ts";
import type { Resource, TransportBinding } from "../contract/resources.ts";
import { conditionOf } from "./conditions.ts";
import { isPerStory, type RunDecision, storyOf } from "./decisions.ts";
import type { World } from "./world.ts";

/** Reason of conditions and bindings while no hub is ready. */
export const hubStarting = "HubStarting";

/** What is placed as one: a run, or all runs of a Story whose strategy is PerStory (DECISIONS). */
export interface PlacementUnit {
  readonly key: string;
  /** Bindings that record its placement, in the order of their names. */
  readonly bindings: readonly TransportBinding[];
}

/** The unit that a run belongs to. */
export function unitOf(world: World, namespace: string, storyRun: string): PlacementUnit {
  const run = world.get("StoryRun", namespace, storyRun);
  const story = run === undefined ? undefined : storyOf(world, run);
  if (story === undefined || !isPerStory(story)) {
    return { key: `${namespace}/${storyRun}`, bindings: world.bindingsOfRun(namespace, storyRun) };
  }
  const { namespace: home = "", name } = story.metadata;
  const runs = world.runsOfStory(home, name);
  const shared = [...new Set(runs.map(({ metadata }) => metadata.namespace ?? ""))]
    .flatMap((place) => world.storyBindings(place))
    .filter(({ metadata }) => metadata.annotations?.[annotations.story] === `${home}/${name}`);
  const bindings = [
    ...shared,
    ...runs.flatMap(({ metadata }) => world.bindingsOfRun(metadata.namespace ?? "", metadata.name)),
  ]
    .sort((a, b) => a.metadata.name < b.metadata.name ? -1 : 1);
  return { key: `story ${home}/${name}`, bindings };
}

/** The address that a binding records; undefined where it has none. */
export function recordOf(binding: TransportBinding): string | undefined {
  const endpoint = binding.status?.endpoint?.trim();
  return endpoint === "" ? undefined : endpoint;
}

/** Whether no hub was ready when the record was written: it keeps an address, and no place. */
export function isStarting(binding: TransportBinding): boolean {
  const resolved = conditionOf(binding.status?.conditions, "EndpointResolved");
  return resolved?.status === "False" && resolved.reason === hubStarting;
}

/** Whether a binding records another hub, or another state of it, than was decided: somebody else has placed its run. */
export function recordsAnother(object: Resource, decision: RunDecision | null): boolean {
  if (object.kind !== "TransportBinding" || decision === null) return false;
  const decided = decision.bindings.find(({ name }) => name === object.metadata.name);
  const record = recordOf(object);
  if (decided === undefined || record === undefined) return false;
  return record !== decided.hubEndpoint || isStarting(object) !== (decided.state === hubStarting);
}
