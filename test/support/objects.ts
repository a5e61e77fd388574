/** Small BubuStack objects for tests. */
import type {
  Engram,
  JsonObject,
  Step,
  Story,
  StoryRun,
  Transport,
  TransportBinding,
} from "../../src/contract/resources.ts";

export function engram(name: string, more: { mode?: string; annotations?: Record<string, string> } = {}): Engram {
  return {
    kind: "Engram",
    metadata: { name, namespace: "demo", annotations: more.annotations },
    spec: { templateRef: { name: "any" }, mode: more.mode ?? "deployment" },
  };
}

export function transport(name: string, streaming?: JsonObject): Transport {
  return {
    kind: "Transport",
    metadata: { name },
    spec: {
      provider: "bobravoz",
      driver: "bobravoz-grpc",
      supportedAudio: [{ name: "pcm16" }],
      supportedBinary: ["application/json"],
      streaming,
    },
  };
}

/** A realtime Story over the transport `speech`; steps as `b[a]`: step b needs a. Each step's engram has its name. */
export function story(name: string, steps: readonly string[], more: Partial<Step> = {}): Story {
  return {
    kind: "Story",
    metadata: { name, namespace: "demo" },
    spec: {
      pattern: "realtime",
      transports: [{ name: "main", transportRef: "speech" }],
      steps: steps.map((text): Step => {
        const [, step = "", needs] = /^([^[]+)(?:\[(.*)\])?$/.exec(text) ?? [];
        return { name: step, ref: { name: step }, ...needs ? { needs: needs.split(",") } : {}, ...more };
      }),
    },
  };
}

export function storyRun(name: string, storyName: string): StoryRun {
  return { kind: "StoryRun", metadata: { name, namespace: "demo" }, spec: { storyRef: { name: storyName } } };
}

export function binding(name: string, run: StoryRun, step: string): TransportBinding {
  const { namespace, name: runName, uid } = run.metadata;
  return {
    kind: "TransportBinding",
    metadata: {
      name,
      namespace,
      ownerReferences: [{ apiVersion: "runs.bubustack.io/v1alpha1", kind: "StoryRun", name: runName, uid: uid ?? "" }],
    },
    spec: {
      transportRef: "speech",
      driver: "bobravoz-grpc",
      stepName: step,
      engramName: `${runName}-${step}`,
      storyRunRef: { name: runName, namespace, uid },
      binary: { direction: "bidirectional", mimeTypes: ["application/json"] },
    },
  };
}
