/**
 * What is decided about a run: one pure function of the world, read by reconcile, discovery and the hub alike.
 * Knows objects and the rules that combine them; refuses to know who asks and what is written.
 */
import { bindingName, stepRunName } from "../contract/compose.ts";
import { isTransportError, TransportError } from "../contract/errors.ts";
import { annotations, terminalPhases } from "../contract/names.ts";
import type {
  Engram,
  ObjectReference,
  Step,
  StepRun,
  Story,
  StoryRun,
  Transport,
  TransportBinding,
} from "../contract/resources.ts";
import { compilePlan } from "../routing/compile.ts";
import type { RunPlan } from "../routing/plan.ts";
import { type BindingDescription, describeBindings } from "../topology/binding.ts";
import { decide, type Topology, type TopologyInput } from "../topology/decide.ts";
import { conditionOf, isTrue } from "./conditions.ts";
import type { HubPlace } from "./placement.ts";
import type { World } from "./world.ts";

/** Live facts and addresses that no object tells. */
export interface DecideOptions {
  /** Address of the hub that holds the run. */
  hubEndpoint(namespace: string, storyRun: string): string;
  /** TLS server name of the hub; default empty: cleartext. */
  readonly hubServerName?: string;
  /** Where several hubs or none may be there: the hub of the run, in the place of the two above. */
  hub?(world: World, namespace: string, storyRun: string): HubPlace;
  /** Whether peers are off loopback, so that each is told the name that the other's certificate bears. Default false. */
  readonly peerTls?: boolean;
  /** Where a step's connector listens for its engram, by step name. Default: control-plane N-16. */
  connectorEndpoint?(namespace: string, storyRun: string, step: string): string;
  /** Generation of the connector that a step's binding is meant for, by step name. Default: as its StepRun says. */
  generation?(namespace: string, storyRun: string, step: string): number;
  /** Whether we make the bindings of a run, so that its Story's strategy applies to them. Default: it does not. */
  makesBindings?(namespace: string, storyRun: string): boolean;
  /** Whether the hub holds no packet of an edge any more, by step ids. Default: it holds none. */
  drained?(namespace: string, storyRun: string, from: string, to: string): boolean;
}

/** The objects that a decision is made from, as they were. */
export interface RunInputs {
  readonly story: Story;
  readonly transports: ReadonlyMap<string, Transport>;
  /** By namespace/name. */
  readonly engrams: ReadonlyMap<string, Engram>;
}

/** A run and everything that is decided about it. */
export interface RunDecision {
  readonly namespace: string;
  readonly storyRun: string;
  /** As it was when it was decided; its status may have moved on. */
  readonly run: StoryRun;
  /** Null when the run's Story is not there or not for us. */
  readonly inputs: RunInputs | null;
  readonly topology: Topology | null;
  /** One for each step that has a binding; empty where there is a failure. */
  readonly bindings: readonly BindingDescription[];
  readonly plan: RunPlan;
  /** Why the run can not be served; null when it is. */
  readonly failure: TransportError | null;
  /** Why an edit was refused while the decision before it stays in force; null when there is none. */
  readonly lastFault: TransportError | null;
}

/** Decisions as they stand, for the hub, discovery and views. */
export interface Decisions {
  get(namespace: string, storyRun: string): RunDecision | null;
  runs(): readonly RunDecision[];
  /** Calls `changed` after the decision of a run is another one or gone. Returns how to stop. */
  subscribe(changed: (namespace: string, storyRun: string) => void): () => void;
  /** Settles when every run that was there at the start is decided. */
  readonly synced: Promise<void>;
}

/**
 * Decides a run as the world is. Null for a run that is not ours to decide: unknown, being deleted, in a terminal
 * phase (control-plane R-11), or of a batch Story (S-12).
 */
export function decideRun(
  world: World,
  namespace: string,
  storyRun: string,
  options: DecideOptions,
): RunDecision | null {
  const run = world.get("StoryRun", namespace, storyRun);
  if (run === undefined || isOver(run)) return null;
  const story = storyOf(world, run);
  if (story === undefined) {
    const { name, namespace: other } = run.spec.storyRef;
    const message = `StoryRun ${namespace}/${storyRun} refers to Story ${
      other || namespace
    }/${name}, which does not exist`;
    return failed(run, null, null, new TransportError("UnknownStory", message, { namespace, storyRun, story: name }));
  }
  if (story.spec.pattern !== "realtime") return null;
  return decideWith(world, run, inputsOf(world, run, story), options);
}

/** Decides a run from objects that are given, and from what its connectors report now. */
export function decideWith(world: World, run: StoryRun, inputs: RunInputs, options: DecideOptions): RunDecision {
  const { name: storyRun, namespace = "" } = run.metadata;
  const { story } = inputs;
  const refused = transportTypeFault(run, story);
  if (refused !== null) return failed(run, inputs, null, refused);
  const input: TopologyInput = {
    story,
    storyRun,
    namespace,
    transport: (name) => inputs.transports.get(name),
    engram: (ref) => inputs.engrams.get(keyOf(ref, namespace)),
    presence: (step) => presenceOf(world, namespace, storyRun, step),
    drained: (from, to) => options.drained?.(namespace, storyRun, from, to) ?? true,
  };
  const topology = decide(input);
  const hub = options.hub?.(world, namespace, storyRun) ?? {
    endpoint: options.hubEndpoint(namespace, storyRun),
    serverName: options.hubServerName ?? "",
    state: "Ready",
  };
  try {
    const plan = compilePlan(input, topology);
    if (plan.refusal !== null) return failed(run, inputs, topology, plan.refusal);
    const bindings = describeBindings(input, topology, {
      runUid: run.metadata.uid,
      hubEndpoint: hub.endpoint,
      hubServerName: hub.serverName,
      hubReady: hub.state === "Ready",
      perStory: isPerStory(story) && (options.makesBindings?.(namespace, storyRun) ?? false),
      ...options.peerTls ? { peerTls: true } : {},
      connectorEndpoint: (step) => options.connectorEndpoint?.(namespace, storyRun, step),
      generation: (step) =>
        options.generation?.(namespace, storyRun, step) ??
          generationIn(world.get("StepRun", namespace, stepRunName(storyRun, step))),
    });
    return { namespace, storyRun, run, inputs, topology, bindings, plan, failure: null, lastFault: null };
  } catch (error) {
    // For example an envelope that is too large (DECISIONS K-35).
    if (!isTransportError(error)) throw error;
    return failed(run, inputs, topology, error);
  }
}

/** Whether the Story's runs are to share bindings and placement (DECISIONS PerStory). */
export function isPerStory({ metadata }: Story): boolean {
  return metadata.annotations?.[annotations.strategy]?.trim() === "PerStory";
}

/** Generation of a step's connector, as the workflow operator counts it (control-plane B-60). */
export function generationIn(stepRun: StepRun | undefined): number {
  const text = stepRun?.metadata.annotations?.[annotations.connectorGeneration]?.trim() ?? "";
  return /^[1-9]\d{0,9}$/.test(text) && Number(text) <= 2_147_483_647 ? Number(text) : 1;
}

/** Whether nothing is to be written to a run any more. */
export function isOver(run: StoryRun): boolean {
  return run.metadata.deletionTimestamp !== undefined || terminalPhases.has(run.status?.phase ?? "");
}

/** The objects that a run's decision depends on, as the world has them. */
export function inputsOf(world: World, run: StoryRun, story: Story): RunInputs {
  const namespace = run.metadata.namespace ?? "";
  const transports = new Map<string, Transport>();
  for (const entry of story.spec.transports ?? []) {
    const name = entry.transportRef.trim();
    const transport = world.get("Transport", "", name);
    if (transport !== undefined) transports.set(name, transport);
  }
  const engrams = new Map<string, Engram>();
  for (const { ref } of story.spec.steps) {
    if (ref === undefined) continue;
    const engram = world.get("Engram", ref.namespace || namespace, ref.name);
    if (engram !== undefined) engrams.set(keyOf(ref, namespace), engram);
  }
  return { story, transports, engrams };
}

/** The engram of a step; undefined for primitives and where there is none. */
export function engramOf(decision: RunDecision, step: Step): Engram | undefined {
  return step.ref === undefined ? undefined : decision.inputs?.engrams.get(keyOf(step.ref, decision.namespace));
}

/** The Story that a run refers to (control-plane R-04). */
export function storyOf(world: World, run: StoryRun): Story | undefined {
  const { name, namespace } = run.spec.storyRef;
  return world.get("Story", namespace || run.metadata.namespace || "", name);
}

/** Condition types by which connectors become known to decisions. */
export const connectorConditions = { ready: "Ready", peerListening: "PeerListening" } as const;

/** What the connector of a step reported, as it stands in the binding's status (DECISIONS K-17). */
function presenceOf(world: World, namespace: string, storyRun: string, step: string) {
  const binding = world.get("TransportBinding", namespace, bindingName(storyRun, step));
  return presenceIn(binding);
}

/** Presence of a connector, as its binding's status says it. */
export function presenceIn(binding: TransportBinding | undefined) {
  const conditions = binding?.status?.conditions;
  const listening = conditionOf(conditions, connectorConditions.peerListening);
  const [endpoint = "", serverName = ""] = listening?.status === "True" ? listening.message.split(" ") : [];
  return {
    reported: isTrue(conditions, connectorConditions.ready),
    listener: endpoint === "" ? null : { endpoint, serverName },
  };
}

/** An unknown value of the Story's transport annotation (control-plane S-13, C-061). */
function transportTypeFault(run: StoryRun, story: Story): TransportError | null {
  const type = story.metadata.annotations?.[annotations.transportType]?.trim() ?? "";
  if (type === "" || type === "grpc") return null;
  const { name: storyRun, namespace } = run.metadata;
  const message =
    `annotation ${annotations.transportType} of Story "${story.metadata.name}" is "${type}": only grpc is known`;
  return new TransportError("InvalidConfiguration", message, { namespace, storyRun, story: story.metadata.name });
}

function failed(
  run: StoryRun,
  inputs: RunInputs | null,
  topology: Topology | null,
  failure: TransportError,
): RunDecision {
  const { name: storyRun, namespace = "" } = run.metadata;
  const plan: RunPlan = {
    namespace,
    storyRun,
    story: run.spec.storyRef.name,
    storyGeneration: inputs?.story.metadata.generation ?? 0,
    steps: new Map(),
    aliases: new Map(),
    refusal: failure,
  };
  return { namespace, storyRun, run, inputs, topology, bindings: [], plan, failure, lastFault: null };
}

function keyOf(ref: ObjectReference, namespace: string): string {
  return `${ref.namespace || namespace}/${ref.name}`;
}

/** Decisions as the hub reads them. */
export function plansOf(decisions: Decisions) {
  return {
    plan: (namespace: string, storyRun: string): RunPlan | null => decisions.get(namespace, storyRun)?.plan ?? null,
    subscribe: (changed: (namespace: string, storyRun: string) => void): () => void => decisions.subscribe(changed),
  };
}
