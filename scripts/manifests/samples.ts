/** Objects to try it with: two engrams with a direct edge between them, and a run of their Story. */
import type { Manifest } from "./values.ts";

const namespace = "bobravoz-demo";
const group = (name: string) => `${name ? `${name}.` : ""}bubustack.io/v1alpha1`;

function engram(name: string): Manifest {
  return {
    apiVersion: group(""),
    kind: "Engram",
    metadata: { name, namespace },
    spec: {
      templateRef: { name: "bobravoz-sample" },
      mode: "deployment",
      transport: { tls: { secretRef: { name: "engram-tls" } } },
    },
  };
}

export const sampleNamespace: Manifest = {
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: namespace },
};

export const samples: readonly Manifest[] = [
  {
    apiVersion: group("transport"),
    kind: "Transport",
    metadata: { name: "bobravoz-sample" },
    spec: {
      provider: "bobravoz",
      driver: "bobravoz-grpc",
      supportedAudio: [{ name: "pcm16", sampleRateHz: 16000, channels: 1 }],
      supportedBinary: ["application/json"],
      streaming: { backpressure: { buffer: { maxMessages: 100 } } },
    },
  },
  {
    apiVersion: group("catalog"),
    kind: "EngramTemplate",
    metadata: { name: "bobravoz-sample" },
    spec: {
      version: "1.0.0",
      supportedModes: ["deployment"],
      description: "Put the image of your engram here",
      image: "registry.example/engram:latest",
    },
  },
  engram("listener"),
  engram("transcriber"),
  {
    apiVersion: group(""),
    kind: "Story",
    metadata: { name: "sample", namespace },
    spec: {
      pattern: "realtime",
      transports: [{ name: "audio", transportRef: "bobravoz-sample" }],
      steps: [
        { name: "listen", ref: { name: "listener" }, transport: "audio" },
        { name: "transcribe", ref: { name: "transcriber" }, needs: ["listen"], transport: "audio" },
      ],
    },
  },
  {
    apiVersion: group("runs"),
    kind: "StoryRun",
    metadata: { name: "sample-1", namespace },
    spec: { storyRef: { name: "sample" } },
  },
];
