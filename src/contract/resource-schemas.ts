/** The shapes of the BubuStack kinds as their CRDs declare them (control-plane 1.2 … 1.7). A flat table. */
import type { Kind } from "./names.ts";
import type { Schema } from "./schema.ts";

const labelPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const objectNamePattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const any: Schema = { type: "any" };
const free: Schema = { type: "free" };
const string: Schema = { type: "string" };
const filled: Schema = { type: "string", minLength: 1 };
const boolean: Schema = { type: "boolean" };
const integer: Schema = { type: "integer" };
const count: Schema = { type: "integer", min: 0 };
const label: Schema = { type: "string", minLength: 1, maxLength: 63, pattern: labelPattern };
const strings: Schema = { type: "map", values: string };
const version: Schema = { type: "string", maxLength: 64 };

function list(items: Schema, minItems?: number, maxItems?: number): Schema {
  return { type: "list", items, minItems, maxItems };
}

function object(fields: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { type: "object", fields, required };
}

const reference = object({
  name: { type: "string", minLength: 1, maxLength: 253, pattern: labelPattern },
  namespace: { type: "string", maxLength: 63, pattern: /^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$/ },
  version,
  uid: string,
}, ["name"]);

const templateReference = object({ name: { type: "string", minLength: 1, maxLength: 253 }, version, uid: string }, [
  "name",
]);

const metadata = object({
  name: { type: "string", minLength: 1, maxLength: 253, pattern: objectNamePattern },
  generateName: string,
  namespace: { type: "string", maxLength: 63, pattern: labelPattern },
  uid: string,
  generation: integer,
  resourceVersion: string,
  creationTimestamp: string,
  deletionTimestamp: string,
  deletionGracePeriodSeconds: integer,
  selfLink: string,
  managedFields: any,
  finalizers: list(string),
  labels: strings,
  annotations: strings,
  ownerReferences: list(
    object({
      apiVersion: filled,
      kind: filled,
      name: filled,
      uid: filled,
      controller: boolean,
      blockOwnerDeletion: boolean,
    }, ["apiVersion", "kind", "name", "uid"]),
  ),
}, ["name"]);

const condition = object({
  type: filled,
  status: { type: "enum", values: ["True", "False", "Unknown"] },
  reason: string,
  message: string,
  lastTransitionTime: string,
  observedGeneration: count,
}, ["type", "status"]);

const stepFields: Readonly<Record<string, Schema>> = {
  name: label,
  id: { type: "string", maxLength: 63, pattern: labelPattern },
  needs: list(string),
  type: { type: "enum", values: ["condition", "parallel", "sleep", "stop", "wait", "executeStory", "gate"] },
  if: string,
  allowFailure: boolean,
  sideEffects: boolean,
  requires: list(string),
  idempotencyKeyTemplate: { type: "string", maxLength: 512 },
  ref: reference,
  with: free,
  runtime: free,
  transport: string,
  secrets: strings,
  execution: free,
  postExecution: object({ condition: filled, failureMessage: string }, ["condition"]),
};
const step = object(stepFields, ["name"]);

const storyTransport = object({
  name: label,
  transportRef: filled,
  description: string,
  streaming: free,
  settings: any,
}, ["name", "transportRef"]);

const audioCodec = object({ name: filled, sampleRateHz: integer, channels: integer }, ["name"]);
const videoCodec = object({ name: filled, profile: string }, ["name"]);
const direction: Schema = { type: "enum", values: ["publish", "subscribe", "bidirectional"] };

function resource(spec: Schema, status: Schema = free): Schema {
  return object({ apiVersion: filled, kind: filled, metadata, spec, status }, ["metadata", "spec"]);
}

/** The shape of each kind. */
export const schemas = {
  Story: resource(object({
    version,
    pattern: { type: "enum", values: ["batch", "realtime"] },
    concurrency: object({
      mode: { type: "enum", values: ["serial", "cancelPrevious", "parallel"] },
      scope: { type: "enum", values: ["storyrun", "participant"] },
    }),
    inputsSchema: free,
    outputsSchema: free,
    output: free,
    steps: list(step, 1, 100),
    compensations: list(step, 0, 50),
    finally: list(step, 0, 50),
    policy: free,
    transports: list(storyTransport),
  }, ["steps"])),
  StoryRun: resource(
    object({ storyRef: reference, impulseRef: reference, inputs: free, cancelRequested: boolean }, ["storyRef"]),
    {
      type: "object",
      fields: { phase: string, observedGeneration: integer, conditions: list(condition) },
      required: [],
      open: true,
    },
  ),
  StepRun: resource(object({
    storyRunRef: reference,
    stepId: label,
    idempotencyKey: string,
    engramRef: reference,
    templateGeneration: integer,
    input: free,
    timeout: string,
    retry: free,
    executionOverrides: free,
    downstreamTargets: any,
  }, ["storyRunRef", "stepId"])),
  Engram: resource(object({
    version,
    templateRef: templateReference,
    mode: string,
    with: free,
    secrets: strings,
    executionPolicy: free,
    overrides: free,
    transport: free,
  }, ["templateRef"])),
  EngramTemplate: resource(free),
  Transport: resource(object({
    provider: filled,
    driver: filled,
    connectorImage: string,
    supportedAudio: list(audioCodec),
    supportedVideo: list(videoCodec),
    supportedBinary: list(string),
    streaming: free,
    configSchema: free,
    defaultSettings: any,
  }, ["provider", "driver"])),
  TransportBinding: resource(
    object({
      transportRef: filled,
      storyRunRef: reference,
      stepName: filled,
      engramName: filled,
      driver: filled,
      audio: object({ direction, codecs: list(audioCodec) }, ["direction"]),
      video: object({ direction, codecs: list(videoCodec), raw: boolean }, ["direction"]),
      binary: object({ direction, mimeTypes: list(string) }, ["direction"]),
      connectorEndpoint: string,
      rawSettings: any,
    }, ["transportRef", "stepName", "engramName", "driver"]),
    object({
      observedGeneration: integer,
      negotiatedAudio: audioCodec,
      negotiatedVideo: videoCodec,
      negotiatedBinary: string,
      endpoint: string,
      upstreamHost: string,
      downstreamHost: string,
      conditions: list(condition),
    }),
  ),
} satisfies Record<Kind, Schema>;
