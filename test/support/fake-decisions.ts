/** Decisions that a test or bench makes by hand. */
import { TransportError } from "../../src/contract/errors.ts";
import type { StoryRun } from "../../src/contract/resources.ts";
import type { Decisions, RunDecision } from "../../src/control/decisions.ts";
import type { BindingDescription, BindingEdge } from "../../src/topology/binding.ts";

/** Decisions as they were set last. */
export class FakeDecisions implements Decisions {
  readonly synced: Promise<void>;
  #resolveSynced: () => void = () => {};
  readonly #runs = new Map<string, RunDecision>();
  readonly #subscribers = new Set<(namespace: string, storyRun: string) => void>();

  constructor(isSynced = true) {
    this.synced = new Promise((resolve) => this.#resolveSynced = resolve);
    if (isSynced) this.sync();
  }

  sync(): void {
    this.#resolveSynced();
  }

  get(namespace: string, storyRun: string): RunDecision | null {
    return this.#runs.get(`${namespace}/${storyRun}`) ?? null;
  }

  runs(): readonly RunDecision[] {
    return [...this.#runs.values()];
  }

  subscribe(changed: (namespace: string, storyRun: string) => void): () => void {
    this.#subscribers.add(changed);
    return () => void this.#subscribers.delete(changed);
  }

  /** Decides a run anew. */
  set(decision: RunDecision): void {
    const { namespace, storyRun } = decision;
    this.#runs.set(`${namespace}/${storyRun}`, decision);
    for (const changed of this.#subscribers) changed(namespace, storyRun);
  }

  remove(namespace: string, storyRun: string): void {
    this.#runs.delete(`${namespace}/${storyRun}`);
    for (const changed of this.#subscribers) changed(namespace, storyRun);
  }
}

/** A run of the Story `voice` in which every binding is decided. */
export function decided(namespace: string, storyRun: string, bindings: readonly BindingDescription[]): RunDecision {
  const run: StoryRun = {
    kind: "StoryRun",
    metadata: { name: storyRun, namespace },
    spec: { storyRef: { name: "voice" } },
  };
  return {
    namespace,
    storyRun,
    run,
    inputs: {
      story: {
        kind: "Story",
        metadata: { name: "voice", namespace },
        spec: { steps: bindings.map(({ step }) => ({ name: step, ref: { name: step } })) },
      },
      transports: new Map(),
      engrams: new Map(),
    },
    topology: null,
    bindings,
    plan: {
      namespace,
      storyRun,
      story: "voice",
      storyGeneration: 1,
      steps: new Map(),
      aliases: new Map(),
      refusal: null,
    },
    failure: null,
    lastFault: null,
  };
}

/** A run that is known and can not be served. */
export function refused(namespace: string, storyRun: string, step: string, failure: TransportError): RunDecision {
  const decision = decided(namespace, storyRun, [describe(namespace, storyRun, step)]);
  return { ...decision, bindings: [], failure, plan: { ...decision.plan, refusal: failure } };
}

/** An edge through the hub, as `step` sees it. */
export function hubEdge(from: string, to: string, step: string): BindingEdge {
  return {
    from,
    to,
    kind: "explicit",
    published: "hub",
    effective: "hub",
    reason: "SeveralDownstreams",
    rule: "control-plane T-04(5)",
    cost: { networkHops: 2, decodes: "metadata" },
    peer: { step: step === from ? to : from, endpoint: "", serverName: "" },
  };
}

/** A binding of about the size that a Story of four steps has. */
export function describe(
  namespace: string,
  storyRun: string,
  step: string,
  more: Partial<BindingDescription> = {},
): BindingDescription {
  const name = `${storyRun}-${step}-transport`;
  const settings = JSON.stringify({
    backpressure: { buffer: { maxBytes: 10485760, maxMessages: 1000 } },
    flowControl: {
      ackEvery: { maxDelay: "250ms", messages: 10 },
      initialCredits: { bytes: 65536, messages: 32 },
      mode: "credits",
      pauseThreshold: { bufferPct: 90 },
      resumeThreshold: { bufferPct: 50 },
    },
    lanes: ["audio", "video", "binary", "payload"].map((kind) => ({
      direction: "bidirectional",
      kind,
      maxBytes: 1048576,
      maxMessages: 100,
      name: kind,
    })),
    routing: { maxDownstreams: 32, mode: "auto" },
  });
  return {
    name,
    namespace,
    storyRun,
    story: "voice",
    step,
    engram: step,
    generation: 1,
    storyGeneration: 1,
    state: "Ready",
    reason: "TransportReady",
    message: "hub: several downstreams",
    transportRef: "speech",
    driver: "bobravoz-grpc",
    upstreams: [hubEdge("microphone", step, step)],
    downstreams: [hubEdge(step, "writer", step), hubEdge(step, "meter", step)],
    hubEndpoint: "127.0.0.1:9000",
    hubServerName: "",
    connectorEndpoint: "127.0.0.1:50051",
    serverName: "",
    mergedSettings: settings,
    effectiveSettings: settings,
    audioCodecs: ["pcm16", "opus"],
    videoCodecs: [],
    binaryTypes: ["application/json"],
    lanes: [{ name: "audio", kind: "audio", direction: "bidirectional", maxMessages: 100, maxBytes: 1048576 }],
    protocolVersion: "1.0.0",
    transportBinding: JSON.stringify({ name, namespace, binding: { payload: btoa(settings) } }),
    decision: {
      step,
      id: step,
      kind: "realtime",
      published: "hub",
      effective: "hub",
      reason: "SeveralDownstreams",
      rule: "control-plane T-04(5)",
      message: "hub: several downstreams",
      downstreams: ["writer", "meter"],
      peerUpstream: false,
      binding: name,
    },
    rawSettings: JSON.parse(settings),
    media: {},
    stepRun: `${storyRun}-${step}`,
    runUid: "",
    sharedBy: null,
    object: name,
    ...more,
  };
}
