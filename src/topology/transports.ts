/**
 * Which transport a step has, and its settings (control-plane B-10, K-24, 4.3): resolved once per entry of
 * `spec.transports`, however many steps name it.
 */
import { isTransportError, TransportError } from "../contract/errors.ts";
import type { JsonObject, Step, Story, StoryTransport, Transport } from "../contract/resources.ts";
import type { EffectiveSettings } from "../contract/effective-settings.ts";
import { effectiveSettings, mergePublished } from "../contract/settings.ts";
import { routingOverride } from "./override.ts";
import type { RoutingOverride } from "./override.ts";

/** A transport that a step can have. */
export interface StepTransport {
  readonly entry: StoryTransport;
  /** Position of `entry` in `spec.transports`. */
  readonly index: number;
  readonly transport: Transport;
  /** Name of the Transport object. */
  readonly ref: string;
  readonly driver: string;
  /** The merge as published, byte for byte (control-plane B-20); null where it can not be made. */
  readonly merged: string | null;
  /** What hub and connector obey (DECISIONS K-10); null where the values are not valid. */
  readonly settings: EffectiveSettings | null;
  readonly override: RoutingOverride;
  /** Why `merged` or `settings` is null. */
  readonly settingsFault: TransportError | null;
}

/** A step's transport, or why it has none. */
export type TransportResolution =
  | { readonly transport: StepTransport; readonly fault: null }
  | { readonly transport: null; readonly fault: TransportError };

/** Returns a function that resolves the transport of a step; the work is done once per name. */
export function transportResolver(
  story: Story,
  transport: (name: string) => Transport | undefined,
): (step: Step) => TransportResolution {
  const entries = story.spec.transports ?? [];
  const resolved = new Map<string, TransportResolution>();
  return (step) => {
    const wanted = step.transport?.trim() ?? "";
    let resolution = resolved.get(wanted);
    if (resolution === undefined) {
      const index = entries.findIndex((entry) =>
        wanted === "" ? entry.transportRef.trim() !== "" : entry.name.trim() === wanted
      );
      resolved.set(wanted, resolution = resolve(story, wanted, index, transport));
    }
    return resolution;
  };
}

function resolve(
  story: Story,
  wanted: string,
  index: number,
  lookup: (name: string) => Transport | undefined,
): TransportResolution {
  const refuse = (reason: "UnknownTransport" | "BadManifest", message: string): TransportResolution => ({
    transport: null,
    fault: new TransportError(reason, message, { story: story.metadata.name }),
  });
  const entry = story.spec.transports?.[index];
  const failed = `failed to resolve transport "${wanted}" for story ${story.metadata.name}`;
  if (entry === undefined) {
    return refuse(
      "UnknownTransport",
      wanted === ""
        ? `story ${story.metadata.name} declares no transport in spec.transports`
        : `${failed}: transport "${wanted}" is not declared on story ${story.metadata.name}`,
    );
  }
  const ref = entry.transportRef.trim();
  const transport = lookup(ref);
  if (transport === undefined) {
    return refuse("UnknownTransport", `${failed}: transports.transport.bubustack.io "${ref}" not found`);
  }
  const driver = transport.spec.driver.trim();
  if (driver === "") return refuse("BadManifest", `transport ${ref} is missing driver identifier`);
  const place = { entry, index, transport, ref };
  return { transport: { ...place, driver, ...settle(place) }, fault: null };
}

function settle(
  place: Pick<StepTransport, "entry" | "index" | "transport" | "ref">,
): Pick<StepTransport, "merged" | "settings" | "override" | "settingsFault"> {
  const { entry, transport } = place;
  const paths = settingPlaces(place);
  const sources = [
    { settings: transport.spec.defaultSettings, streaming: transport.spec.streaming, paths: paths.transport },
    { settings: entry.settings, streaming: entry.streaming, paths: paths.story },
  ] as const;
  const [merged, mergeFault] = attempt(() => mergePublished(...sources));
  // names every value that is not valid, where the merge stops at the first
  const [settings, valueFault] = attempt(() => effectiveSettings(...sources));
  const settingsFault = valueFault ?? mergeFault;
  const override = routingOverride(merged === null ? undefined : JSON.parse(merged) as JsonObject);
  return { merged, settings, override, settingsFault };
}

/** The result, or why there is none. */
function attempt<T>(make: () => T): [T, null] | [null, TransportError] {
  try {
    return [make(), null];
  } catch (error) {
    if (!isTransportError(error)) throw error;
    return [null, error];
  }
}

/** Where the settings of a transport stand: in the Story's entry and in the Transport object. */
export function settingPlaces({ index, ref }: Pick<StepTransport, "index" | "ref">) {
  return {
    story: { settings: `spec.transports[${index}].settings`, streaming: `spec.transports[${index}].streaming` },
    transport: { settings: `Transport ${ref}: spec.defaultSettings`, streaming: `Transport ${ref}: spec.streaming` },
  } as const;
}
