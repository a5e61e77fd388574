/** The Story that the bench runs through our hub, written as manifests into a folder of its own. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { namespace, runName, steps } from "./pair.ts";

export interface StoryOptions {
  /** Whether `flowControl.mode` is none; else all settings are the defaults, with credits. */
  readonly withoutCredits: boolean;
  /** `routing.mode` of the Story's transport. Default: hub. */
  readonly routing?: "hub" | "auto";
  /** StoryRuns, named `runName(0)` and so on; an idle stream needs one per two streams. */
  readonly runs: number;
}

/** Writes the manifests. The caller removes the folder. */
export function writeStory(options: StoryOptions): string {
  const directory = mkdtempSync(join(tmpdir(), "bobravoz-bench-"));
  writeFileSync(join(directory, "bench.yaml"), storyText(options));
  return directory;
}

function storyText({ withoutCredits, runs, routing = "hub" }: StoryOptions): string {
  const flowControl = withoutCredits ? "\n        flowControl:\n          mode: none" : "";
  const documents = [
    `apiVersion: transport.bubustack.io/v1alpha1
kind: Transport
metadata:
  name: bench
spec:
  provider: bobravoz
  driver: bobravoz-grpc
  supportedAudio:
    - name: pcm16
      sampleRateHz: 16000
      channels: 1
  supportedBinary:
    - application/octet-stream`,
    ...Object.values(steps).map((step) =>
      `apiVersion: bubustack.io/v1alpha1
kind: Engram
metadata:
  name: ${step}
  namespace: ${namespace}
spec:
  mode: deployment
  templateRef:
    name: ${step}`
    ),
    `apiVersion: bubustack.io/v1alpha1
kind: Story
metadata:
  name: bench
  namespace: ${namespace}
spec:
  pattern: realtime
  transports:
    - name: bench
      transportRef: bench
      streaming:
        routing:
          mode: ${routing}${flowControl}
  steps:
    - name: ${steps.producer}
      transport: bench
      ref:
        name: ${steps.producer}
    - name: ${steps.consumer}
      transport: bench
      needs: [${steps.producer}]
      ref:
        name: ${steps.consumer}`,
  ];
  for (let n = 0; n < runs; n++) {
    documents.push(`apiVersion: runs.bubustack.io/v1alpha1
kind: StoryRun
metadata:
  name: ${runName(n)}
  namespace: ${namespace}
spec:
  storyRef:
    name: bench`);
  }
  return `${documents.join("\n---\n")}\n`;
}
