/** What there is to say about a Story before it runs. Pure; text, JSON and graphs are renderings of it. */
import type { Engram, JsonValue, Resource, Story, StoryRun, Transport } from "../../contract/resources.ts";
import { refusals } from "../../routing/compile.ts";
import { decide, type Topology, type TopologyInput } from "../../topology/decide.ts";
import { transportResolver } from "../../topology/transports.ts";
import { differences, type SettingDifference } from "./settings-diff.ts";

export interface StoryReport {
  readonly namespace: string;
  readonly story: string;
  /** The run that the decisions are made for: the first that refers to the Story, else one of the Story's name. */
  readonly storyRun: string;
  readonly topology: Topology;
  /** Those of the topology, and what was assumed. */
  readonly warnings: readonly string[];
  /** Why the Story would be refused; empty when it would run. */
  readonly faults: readonly { readonly reason: string; readonly path: string; readonly message: string }[];
  /** For each transport of the Story, where the effective settings are not the published ones. */
  readonly settings: readonly { readonly transport: string; readonly differences: readonly SettingDifference[] }[];
}

/**
 * Decides `story` among `objects`. Connectors are taken as present, with a listener each: what is shown is how the
 * Story runs once it is up. Where no Transport (no Engram) stands among the objects at all, they are assumed.
 */
export function reportOn(story: Story, objects: readonly Resource[]): StoryReport {
  const namespace = story.metadata.namespace ?? "default";
  const assumed: string[] = [];
  const find = <R extends Resource>(kind: R["kind"], inNamespace: string | undefined, name: string) =>
    objects.find((each): each is R =>
      each.kind === kind && each.metadata.name === name && (each.metadata.namespace ?? "") === (inNamespace ?? "")
    );
  const hasTransports = objects.some((each) => each.kind === "Transport");
  const hasEngrams = objects.some((each) => each.kind === "Engram");
  if (!hasTransports) assumed.push("no Transport stands beside the Story: its driver is assumed to be bobravoz-grpc");
  if (!hasEngrams) assumed.push("no Engram stands beside the Story: each is assumed to be a deployment");
  const input: TopologyInput = {
    story,
    storyRun: runOf(story, namespace, objects),
    namespace,
    transport: (name) => find<Transport>("Transport", "", name) ?? (hasTransports ? undefined : assumedTransport(name)),
    engram: (ref) =>
      find<Engram>("Engram", ref.namespace || namespace, ref.name) ??
        (hasEngrams ? undefined : assumedEngram(ref.name)),
    presence: () => ({ reported: true, listener: { endpoint: "", serverName: "" } }),
  };
  const topology = decide(input);
  return {
    namespace,
    story: story.metadata.name,
    storyRun: input.storyRun,
    topology,
    warnings: [...assumed, ...topology.warnings],
    faults: refusals(input, topology).map(({ reason, message, subject: { path = "" } }) => ({ reason, path, message })),
    settings: settingsOf(story, input),
  };
}

function settingsOf(story: Story, input: TopologyInput): StoryReport["settings"] {
  const resolve = transportResolver(story, input.transport);
  return (story.spec.transports ?? []).map(({ name }) => {
    const { transport } = resolve({ name: "", transport: name });
    const found = transport?.merged && transport.settings
      ? differences(
        JSON.parse(transport.merged) as JsonValue,
        transport.settings.document,
      )
      : [];
    return { transport: name, differences: found };
  });
}

function runOf({ metadata }: Story, namespace: string, objects: readonly Resource[]): string {
  const run = objects.find((each): each is StoryRun =>
    each.kind === "StoryRun" && each.spec.storyRef.name === metadata.name &&
    (each.spec.storyRef.namespace || each.metadata.namespace) === namespace
  );
  return run?.metadata.name ?? metadata.name;
}

function assumedTransport(name: string): Transport {
  return { kind: "Transport", metadata: { name }, spec: { provider: "bobravoz", driver: "bobravoz-grpc" } };
}

function assumedEngram(name: string): Engram {
  return { kind: "Engram", metadata: { name }, spec: { templateRef: { name }, mode: "deployment" } };
}
