/**
 * The runs that a hub of several holds, as their bindings record it: it needs no controller to go on.
 * A run with two records, while a move is being written, is on both hubs for that moment.
 */
import type { Decisions } from "./decisions.ts";
import { type HubPlace, placeAt, recordedIn } from "./placement.ts";
import { recordOf, unitOf } from "./placement-record.ts";
import type { World } from "./world.ts";

/** A hub among others. */
export interface OwnHub {
  /** As records name it. */
  readonly address: string;
  /** Address of pod 0, which runs without a record wait for. */
  readonly first: string;
  /** This hub's address is every run's (`BUBU_HUB_ENDPOINT`): there are no records. */
  readonly isOnly: boolean;
}

/** The place of a run as recorded, for decisions that a hub makes: the same that the controller decided. */
export function recordedPlace(world: World, namespace: string, storyRun: string, own: OwnHub): HubPlace {
  if (own.isOnly) return placeAt(own.address, "Ready");
  const { bindings } = unitOf(world, namespace, storyRun);
  const here = bindings.filter((binding) => recordOf(binding) === own.address);
  return recordedIn(here.length > 0 ? here : bindings) ?? placeAt(own.first, "HubStarting");
}

/** Decisions as the hub reads them: the plans of the runs that it holds, and who holds the others. */
export function heldPlans(control: Decisions & { readonly world: World }, own: OwnHub) {
  const holder = (namespace: string, storyRun: string): "here" | "nobody" | { readonly owner: string } => {
    if (own.isOnly) return "here";
    if (control.get(namespace, storyRun) === null) return "nobody";
    const records = unitOf(control.world, namespace, storyRun).bindings.flatMap((binding) => recordOf(binding) ?? []);
    if (records.includes(own.address)) return "here";
    return records[0] === undefined ? "nobody" : { owner: records[0] };
  };
  return {
    plan(namespace: string, storyRun: string) {
      if (typeof holder(namespace, storyRun) === "object") return null;
      return control.get(namespace, storyRun)?.plan ?? null;
    },
    holder,
    subscribe: (changed: (namespace: string, storyRun: string) => void) => control.subscribe(changed),
  };
}
