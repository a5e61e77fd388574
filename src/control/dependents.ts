/** Which runs an object bears on: those are decided again when it changes. */
import { annotations } from "../contract/names.ts";
import type { Resource, Story, StoryRun } from "../contract/resources.ts";
import { sameJson } from "../contract/same-json.ts";
import { generationIn, isOver, presenceIn } from "./decisions.ts";
import type { World } from "./world.ts";

/** A run by its names. */
export interface RunKey {
  readonly namespace: string;
  readonly storyRun: string;
}

/** The runs whose decision or writes depend on the object, the changed state of which the world has already. */
export function dependentsOf(world: World, object: Resource): readonly RunKey[] {
  const { name, namespace = "" } = object.metadata;
  switch (object.kind) {
    case "StoryRun":
      return [{ namespace, storyRun: name }];
    case "Story":
      return keysOf(world.runsOfStory(namespace, name));
    case "TransportBinding":
      if (object.spec.storyRunRef !== undefined) return [{ namespace, storyRun: object.spec.storyRunRef.name }];
      return runsSharing(world, object);
    case "StepRun":
      return [{ namespace, storyRun: object.spec.storyRunRef.name }];
    case "Transport":
      return runsOfStories(world, ({ spec }) => spec.transports?.some((t) => t.transportRef.trim() === name) ?? false);
    case "Engram":
      // The namespace of a reference that names none is the run's: looked at by name, a few runs too many.
      return runsOfStories(world, ({ spec }) => spec.steps.some((step) => step.ref?.name === name));
    case "EngramTemplate":
      return [];
    default:
      object satisfies never;
      return [];
  }
}

/** Whether a change of an object can change a decision; all others only ask for another look at what is written. */
export function bearsOnDecision(before: Resource | undefined, after: Resource): boolean {
  switch (after.kind) {
    case "TransportBinding":
      // One that has just been made knows as little of its connector as none.
      return !sameJson(presenceIn(before?.kind === after.kind ? before : undefined), presenceIn(after));
    case "StoryRun":
      return before?.kind !== after.kind || before.metadata.uid !== after.metadata.uid ||
        isOver(before) !== isOver(after) || !sameJson(before.spec, after.spec);
    case "StepRun":
      return generationIn(before?.kind === after.kind ? before : undefined) !== generationIn(after);
    default:
      return true;
  }
}

function runsOfStories(world: World, uses: (story: Story) => boolean): readonly RunKey[] {
  return world.list("Story").filter(uses)
    .flatMap(({ metadata: { namespace = "", name } }) => keysOf(world.runsOfStory(namespace, name)));
}

/** Runs of the Story that a shared binding is for, where it lies. */
function runsSharing(world: World, { metadata }: Resource): readonly RunKey[] {
  const [home = "", story = ""] = metadata.annotations?.[annotations.story]?.split("/") ?? [];
  return keysOf(world.runsOfStory(home, story)).filter(({ namespace }) => namespace === metadata.namespace);
}

function keysOf(runs: readonly StoryRun[]): readonly RunKey[] {
  return runs.map(({ metadata: { namespace = "", name } }) => ({ namespace, storyRun: name }));
}
