/**
 * The binding of a step, worked out once: the TransportBinding object, the value of `BUBU_TRANSPORT_BINDING` and
 * the answer of discovery are renderings of the same description and can not disagree (ARCHITECTURE.md 3).
 */
import { encodeBindingEnvelope } from "../contract/binding-info.ts";
import { labelValue, stepRunName, storyBindingName } from "../contract/compose.ts";
import { annotations, defaultGrpcPort, labels, protocolVersion } from "../contract/names.ts";
import type { JsonObject, OwnerReference, TransportBinding } from "../contract/resources.ts";
import { settingsText } from "../contract/settings.ts";
import type { EdgeDecision, StepDecision, Topology, TopologyInput } from "./decide.ts";
import { stepServerName } from "./endpoint.ts";
import { checkEnvelope } from "./envelope-size.ts";
import { buildGraph } from "./graph.ts";
import { mediaOf } from "./negotiate.ts";
import type { Media } from "./negotiate.ts";
import type { StepTransport } from "./transports.ts";

export type BindingState = "Pending" | "HubStarting" | "Ready" | "Failed";

/** The other end of an edge; empty texts while it has announced no listener. */
export interface BindingPeer {
  readonly step: string;
  readonly endpoint: string;
  readonly serverName: string;
}

/** A decided edge as one of its ends sees it. */
export interface BindingEdge extends EdgeDecision {
  readonly peer: BindingPeer;
}

export interface BindingLane {
  readonly name: string;
  readonly kind: string;
  readonly direction: string;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** Everything that a connector needs to know. Names and meaning of `bobravoz.discovery.v1.Binding`, bar `version`. */
export interface BindingDescription {
  readonly name: string;
  readonly namespace: string;
  readonly storyRun: string;
  readonly story: string;
  readonly step: string;
  readonly engram: string;
  readonly generation: number;
  readonly storyGeneration: number;
  readonly state: BindingState;
  readonly reason: string;
  readonly message: string;
  readonly transportRef: string;
  readonly driver: string;
  readonly upstreams: readonly BindingEdge[];
  readonly downstreams: readonly BindingEdge[];
  readonly hubEndpoint: string;
  readonly hubServerName: string;
  readonly connectorEndpoint: string;
  readonly serverName: string;
  readonly mergedSettings: string;
  readonly effectiveSettings: string;
  readonly audioCodecs: readonly string[];
  readonly videoCodecs: readonly string[];
  readonly binaryTypes: readonly string[];
  readonly lanes: readonly BindingLane[];
  readonly protocolVersion: string;
  /** The exact value of `BUBU_TRANSPORT_BINDING`. */
  readonly transportBinding: string;

  /** What only the object carries: the published decision, settings, full codecs, and names of neighbours. */
  readonly decision: StepDecision;
  /** `mergedSettings` as an object, one for all bindings of the run's transport. */
  readonly rawSettings: JsonObject;
  readonly media: Media;
  readonly stepRun: string;
  readonly runUid: string;
  /** The Story whose runs share one object, as `namespace/name` (strategy PerStory); null: the run has its own. */
  readonly sharedBy: string | null;
  /** Name of the object: `name`, or that of N-05 where it is shared. */
  readonly object: string;
}

/** What no object tells: addresses and generations. */
export interface BindingOptions {
  /** Address of the hub that holds the run. */
  readonly hubEndpoint: string;
  /** TLS server name of the hub. Default empty: cleartext. */
  readonly hubServerName?: string;
  /** False: the hub that holds the run is not up yet. Default true. */
  readonly hubReady?: boolean;
  /** Where a step's connector listens for its engram. Default: `127.0.0.1:50051` (control-plane N-16). */
  connectorEndpoint?(step: string): string | undefined;
  /** Whether peers reach connectors by TLS; then each has its Service's name (control-plane N-13). Default false. */
  readonly peerTls?: boolean;
  /** Generation of the connector that the binding is meant for. Default 1. */
  generation?(step: string): number;
  /** Whether all runs of the Story share the objects (DECISIONS PerStory). Default false. */
  readonly perStory?: boolean;
  /** UID of the StoryRun, where it has one. */
  readonly runUid?: string;
}

/**
 * Describes the binding of every step that has one, in declaration order; a step without usable transport has none.
 * Throws `EnvelopeTooLarge`, naming the largest setting, when a binding does not fit into a variable.
 */
export function describeBindings(
  input: TopologyInput,
  topology: Topology,
  options: BindingOptions,
): readonly BindingDescription[] {
  const { nodes } = buildGraph(input.story.spec.steps);
  const inbound = Map.groupBy(topology.edges, (edge) => edge.to);
  const outbound = Map.groupBy(topology.edges, (edge) => edge.from);
  const withPeer = (edge: EdgeDecision, step: string): BindingEdge => {
    const listener = input.presence?.(step).listener;
    return { ...edge, peer: { step, endpoint: listener?.endpoint ?? "", serverName: listener?.serverName ?? "" } };
  };
  // The steps of a run share a few transports, and texts are what a description costs.
  const texts = new Map<StepTransport, SettingsTexts>();
  const textsOf = (transport: StepTransport): SettingsTexts => {
    let found = texts.get(transport);
    if (found === undefined) texts.set(transport, found = settingsTexts(transport));
    return found;
  };
  return topology.steps.flatMap((decision) => {
    const { step } = decision;
    const transport = topology.transports.get(step);
    if (decision.binding === "" || transport === undefined || transport.merged === null) return [];
    return [describe(input, decision, transport, textsOf(transport), options, {
      engram: nodes.get(step)?.ref?.name ?? "",
      upstreams: (inbound.get(step) ?? []).map((edge) => withPeer(edge, edge.from)),
      downstreams: (outbound.get(step) ?? []).map((edge) => withPeer(edge, edge.to)),
    })];
  });
}

function describe(
  input: TopologyInput,
  decision: StepDecision,
  transport: StepTransport,
  { merged, rawSettings, effective }: SettingsTexts,
  options: BindingOptions,
  neighbours: Pick<BindingDescription, "engram" | "upstreams" | "downstreams">,
): BindingDescription {
  const { story, storyRun, namespace, clusterDomain } = input;
  const { step } = decision;
  const media = mediaOf(transport.transport.spec);
  const isHubUp = options.hubReady ?? true;
  const draft: BindingDescription = {
    name: decision.binding,
    namespace,
    storyRun,
    story: story.metadata.name,
    step,
    ...neighbours,
    generation: options.generation?.(step) ?? 1,
    storyGeneration: story.metadata.generation ?? 0,
    state: isHubUp ? "Ready" : "HubStarting",
    reason: isHubUp ? "TransportReady" : "HubStarting",
    message: decision.message,
    transportRef: transport.ref,
    driver: transport.driver,
    hubEndpoint: options.hubEndpoint,
    hubServerName: options.hubServerName ?? "",
    connectorEndpoint: options.connectorEndpoint?.(step) ?? `127.0.0.1:${defaultGrpcPort}`,
    serverName: options.peerTls ? stepServerName(storyRun, step, namespace, clusterDomain) : "",
    mergedSettings: merged,
    effectiveSettings: effective,
    audioCodecs: filled(media.audio?.codecs?.map((codec) => codec.name)),
    videoCodecs: filled(media.video?.codecs?.map((codec) => codec.name)),
    binaryTypes: filled(media.binary?.mimeTypes),
    lanes: transport.settings?.lanes.map(({ description: _, ...lane }) => lane) ?? [],
    protocolVersion,
    transportBinding: "",
    decision,
    rawSettings,
    media,
    stepRun: stepRunName(options.perStory ? story.metadata.name : storyRun, step),
    runUid: options.runUid ?? "",
    sharedBy: options.perStory ? `${story.metadata.namespace ?? namespace}/${story.metadata.name}` : null,
    object: options.perStory ? storyBindingName(story.metadata.name, step) : decision.binding,
  };
  const transportBinding = encodeBindingEnvelope(toTransportBinding(draft), merged);
  checkEnvelope(transportBinding, transport, { namespace, storyRun, story: draft.story, step, binding: draft.name });
  return { ...draft, transportBinding };
}

interface SettingsTexts {
  readonly merged: string;
  readonly rawSettings: JsonObject;
  readonly effective: string;
}

function settingsTexts({ merged, settings }: StepTransport): SettingsTexts {
  return {
    merged: merged ?? "",
    // The text is our own merge, which is always an object.
    rawSettings: merged === null ? {} : JSON.parse(merged) as JsonObject,
    effective: settings === null ? "" : settingsText(settings),
  };
}

function filled(names: readonly string[] | undefined): readonly string[] {
  return names?.filter((name) => name.trim() !== "") ?? [];
}

/** Who owns a binding that we create: the StepRun when there is one, else the StoryRun (control-plane X-05). */
export interface BindingOwner {
  readonly kind: "StepRun" | "StoryRun" | "Story";
  readonly apiVersion: string;
  readonly name: string;
  readonly uid: string;
}

/**
 * The TransportBinding object, equal in `spec` and annotations to what the workflow operator would write
 * (control-plane B-02, X-04), with the published hosts as status. Only a StepRun becomes controller owner (C-049).
 */
export function toTransportBinding(description: BindingDescription, owner?: BindingOwner): TransportBinding {
  const { object: name, namespace, storyRun, story, step, decision, runUid, sharedBy } = description;
  const { published, downstreams, upstreamHost, downstreamHost } = decision;
  return {
    kind: "TransportBinding",
    metadata: {
      name,
      namespace,
      labels: {
        ...(sharedBy === null ? { [labels.storyRun]: labelValue(storyRun) } : { [labels.story]: labelValue(story) }),
        [labels.step]: labelValue(step),
        [labels.managedBy]: "bobravoz",
      },
      annotations: {
        [annotations.routingMode]: published,
        ...(downstreams.length > 0 ? { [annotations.downstreamSteps]: downstreams.join(",") } : {}),
        ...(sharedBy === null ? {} : { [annotations.story]: sharedBy }),
      },
      ...(owner === undefined ? {} : { ownerReferences: [ownerReference(owner)] }),
    },
    spec: {
      transportRef: description.transportRef,
      // One that all runs of a Story share refers to none of them.
      ...(sharedBy === null
        ? { storyRunRef: { name: storyRun, namespace, ...(runUid === "" ? {} : { uid: runUid }) } }
        : {}),
      stepName: step,
      engramName: description.stepRun,
      driver: description.driver,
      ...description.media,
      connectorEndpoint: description.connectorEndpoint,
      rawSettings: description.rawSettings,
    },
    status: {
      endpoint: description.hubEndpoint,
      ...(upstreamHost === undefined ? {} : { upstreamHost }),
      ...(downstreamHost === undefined ? {} : { downstreamHost }),
    },
  };
}

function ownerReference({ kind, apiVersion, name, uid }: BindingOwner): OwnerReference {
  const reference = { apiVersion, kind, name, uid };
  return kind === "StepRun" ? { ...reference, controller: true, blockOwnerDeletion: true } : reference;
}
