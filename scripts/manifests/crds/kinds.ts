/**
 * The seven kinds that bobravoz reads or writes, for clusters without the workflow operator: development and tests
 * (control-plane 1.1, 1.3 to 1.7). Where the workflow operator runs, it brings CRDs of its own with more fields.
 */
import {
  also,
  any,
  atLeast,
  filled,
  flag,
  free,
  int32,
  int64,
  list,
  object,
  oneOf,
  openObject,
  type Schema,
  text,
  textMap,
  texts,
  time,
  version,
} from "./schema.ts";
import {
  audioCodec,
  conditionRules,
  conditions,
  direction,
  phase,
  reference,
  runReference,
  stepName,
  templateReference,
  validationStatus,
  videoCodec,
} from "./shared.ts";
import { streaming } from "./streaming.ts";

export interface Column {
  readonly name: string;
  readonly jsonPath: string;
  readonly type?: "string" | "integer" | "date";
}

export interface KindDefinition {
  readonly kind: string;
  readonly group: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly scope: "Namespaced" | "Cluster";
  readonly columns: readonly Column[];
  readonly selectable: readonly string[];
  readonly spec: Schema;
  readonly status: Schema;
}

const stepTypes = oneOf("condition", "parallel", "sleep", "stop", "wait", "executeStory", "gate");

const step = object({
  "name!": stepName,
  id: stepName,
  needs: texts,
  type: stepTypes,
  if: text,
  allowFailure: flag,
  sideEffects: flag,
  requires: texts,
  idempotencyKeyTemplate: { type: "string", maxLength: 512 },
  ref: reference,
  with: free,
  runtime: free,
  transport: stepName,
  secrets: textMap,
  execution: free,
  postExecution: object({ "condition!": filled, failureMessage: text }),
});

const story: KindDefinition = {
  kind: "Story",
  group: "bubustack.io",
  plural: "stories",
  shortNames: ["story"],
  categories: ["bubu", "ai", "workflows"],
  scope: "Namespaced",
  columns: [
    { name: "Steps", jsonPath: ".status.stepsTotal", type: "integer" },
    { name: "Status", jsonPath: ".status.validationStatus" },
    { name: "Usage", jsonPath: ".status.usageCount", type: "integer" },
    { name: "Triggers", jsonPath: ".status.triggers", type: "integer" },
  ],
  selectable: [],
  spec: object({
    version,
    pattern: also(oneOf("batch", "realtime"), { default: "batch" }),
    concurrency: object({
      mode: also(oneOf("serial", "cancelPrevious", "parallel"), { default: "parallel" }),
      scope: also(oneOf("storyrun", "participant"), { default: "storyrun" }),
    }),
    inputsSchema: free,
    outputsSchema: free,
    output: free,
    "steps!": list(step, { minItems: 1, maxItems: 100 }),
    compensations: list(step, { maxItems: 50 }),
    finally: list(step, { maxItems: 50 }),
    policy: free,
    transports: list(object({
      "name!": stepName,
      "transportRef!": filled,
      description: text,
      streaming,
      settings: free,
    })),
  }, [
    ["self.steps.all(step, has(step.ref) != has(step.type))", "each step must set exactly one of ref or type"],
    [
      "self.steps.all(step, self.steps.exists_one(other, other.name == step.name))",
      "step names must be unique",
    ],
  ]),
  status: openObject({
    observedGeneration: int64,
    conditions,
    stepsTotal: int32,
    transports: list(object({
      "name!": text,
      "transportRef!": text,
      mode: oneOf("hot", "fallback"),
      modeReason: text,
    })),
    validationStatus,
    validationErrors: texts,
    validationWarnings: texts,
    usageCount: int32,
    triggers: int64,
  }),
};

const engram: KindDefinition = {
  kind: "Engram",
  group: "bubustack.io",
  plural: "engrams",
  shortNames: ["engram"],
  categories: ["bubu", "ai"],
  scope: "Namespaced",
  columns: [
    { name: "Template", jsonPath: ".spec.templateRef.name" },
    { name: "Mode", jsonPath: ".spec.mode" },
    { name: "Status", jsonPath: ".status.validationStatus" },
    { name: "Usage", jsonPath: ".status.usageCount", type: "integer" },
    { name: "Triggers", jsonPath: ".status.triggers", type: "integer" },
  ],
  selectable: [],
  spec: object({
    version,
    "templateRef!": templateReference,
    mode: text,
    with: free,
    secrets: textMap,
    executionPolicy: free,
    overrides: free,
    transport: openObject({
      tls: object({ secretRef: object({ name: also(text, { default: "" }) }), useDefaultTLS: flag }),
    }),
  }),
  status: openObject({
    phase: text,
    replicas: int32,
    readyReplicas: int32,
    validationStatus,
    validationErrors: texts,
    usageCount: int32,
    conditions,
  }),
};

const engramTemplate: KindDefinition = {
  kind: "EngramTemplate",
  group: "catalog.bubustack.io",
  plural: "engramtemplates",
  shortNames: ["etpl"],
  categories: ["bubu", "ai", "catalog"],
  scope: "Cluster",
  columns: [
    { name: "Description", jsonPath: ".spec.description" },
    { name: "Version", jsonPath: ".spec.version" },
    { name: "Usage", jsonPath: ".status.usageCount", type: "integer" },
    { name: "Status", jsonPath: ".status.validationStatus" },
  ],
  selectable: [],
  spec: openObject({
    "version!": version,
    "supportedModes!": list(oneOf("job", "deployment", "statefulset"), { minItems: 1, maxItems: 3 }),
    description: text,
    image: { type: "string", maxLength: 512 },
    configSchema: free,
    inputSchema: free,
    outputSchema: free,
    declaredOutputKeys: texts,
    secretSchema: free,
    execution: free,
  }),
  status: openObject({ observedGeneration: int64, conditions, validationStatus, usageCount: int32 }),
};

const storyRun: KindDefinition = {
  kind: "StoryRun",
  group: "runs.bubustack.io",
  plural: "storyruns",
  shortNames: ["srun"],
  categories: ["bubu", "ai", "runs"],
  scope: "Namespaced",
  columns: [
    { name: "Story", jsonPath: ".spec.storyRef.name" },
    { name: "Phase", jsonPath: ".status.phase" },
    { name: "Duration", jsonPath: ".status.duration" },
  ],
  selectable: [".spec.storyRef.name", ".status.phase"],
  spec: object({ "storyRef!": reference, impulseRef: reference, inputs: free, cancelRequested: flag }),
  status: openObject({
    observedGeneration: int64,
    phase,
    message: text,
    duration: text,
    startedAt: time,
    finishedAt: time,
    stepStates: {
      type: "object",
      additionalProperties: openObject({ "phase!": phase, message: text, subStoryRunName: text }),
    },
    conditions,
  }, [
    [
      "!has(self.conditions) || self.conditions.exists(c, c.type == 'Ready')",
      "status.conditions must include Ready when conditions are set",
    ],
    [
      "!has(self.conditions) || self.conditions.all(c, has(c.lastTransitionTime))",
      "status.conditions entries must set lastTransitionTime",
    ],
    ...conditionRules,
  ]),
};

const stepRun: KindDefinition = {
  kind: "StepRun",
  group: "runs.bubustack.io",
  plural: "stepruns",
  shortNames: ["step"],
  categories: ["bubu", "ai", "runs"],
  scope: "Namespaced",
  columns: [
    { name: "StoryRun", jsonPath: ".spec.storyRunRef.name" },
    { name: "Step", jsonPath: ".spec.stepId" },
    { name: "Phase", jsonPath: ".status.phase" },
    { name: "Retries", jsonPath: ".status.retries", type: "integer" },
  ],
  selectable: [".spec.storyRunRef.name", ".spec.stepId", ".status.phase"],
  spec: object({
    "storyRunRef!": runReference,
    "stepId!": stepName,
    idempotencyKey: { type: "string", maxLength: 256 },
    engramRef: reference,
    templateGeneration: int64,
    input: free,
    timeout: text,
    retry: free,
    executionOverrides: free,
    downstreamTargets: list(free),
  }),
  status: openObject({
    "retries!": int32,
    phase,
    podName: text,
    handoff: openObject({
      strategy: oneOf("rolling", "drain_cutover", "blue_green"),
      phase: oneOf("pending", "draining", "cutover", "ready"),
      message: text,
      updatedAt: time,
    }),
    needs: texts,
    signalEvents: list(openObject({ "key!": text, "seq!": int64, payload: any }), { maxItems: 256 }),
    conditions,
  }, conditionRules),
};

const media = {
  audio: (codecs: Schema) => object({ "direction!": direction, codecs: list(codecs) }),
  video: (codecs: Schema) => object({ "direction!": direction, codecs: list(codecs), raw: flag }),
};

const transport: KindDefinition = {
  kind: "Transport",
  group: "transport.bubustack.io",
  plural: "transports",
  shortNames: ["transport"],
  categories: ["bubu", "ai"],
  scope: "Cluster",
  columns: [],
  selectable: [],
  spec: object({
    "provider!": filled,
    "driver!": filled,
    connectorImage: text,
    supportedAudio: list(audioCodec),
    supportedVideo: list(videoCodec),
    supportedBinary: texts,
    streaming,
    configSchema: free,
    defaultSettings: free,
  }),
  status: object({
    observedGeneration: int64,
    validationStatus,
    validationErrors: texts,
    usageCount: int32,
    availableAudio: list(audioCodec),
    availableVideo: list(videoCodec),
    availableBinary: texts,
    pendingBindings: atLeast(0),
    lastHeartbeatTime: time,
    conditions,
  }),
};

const transportBinding: KindDefinition = {
  kind: "TransportBinding",
  group: "transport.bubustack.io",
  plural: "transportbindings",
  shortNames: ["tb", "tbind"],
  categories: ["bubu", "transport"],
  scope: "Namespaced",
  columns: [
    { name: "Transport", jsonPath: ".spec.transportRef" },
    { name: "Step", jsonPath: ".spec.stepName" },
    { name: "Driver", jsonPath: ".spec.driver" },
    { name: "Endpoint", jsonPath: ".status.endpoint" },
  ],
  selectable: [".spec.transportRef", ".spec.storyRunRef.name"],
  spec: object({
    "transportRef!": filled,
    storyRunRef: runReference,
    "stepName!": filled,
    "engramName!": filled,
    "driver!": filled,
    audio: media.audio(audioCodec),
    video: media.video(videoCodec),
    binary: object({ "direction!": direction, mimeTypes: texts }),
    connectorEndpoint: text,
    rawSettings: free,
  }),
  status: object({
    observedGeneration: int64,
    negotiatedAudio: audioCodec,
    negotiatedVideo: videoCodec,
    negotiatedBinary: text,
    endpoint: text,
    upstreamHost: text,
    downstreamHost: text,
    conditions,
  }),
};

export const kinds: readonly KindDefinition[] = [
  story,
  engram,
  engramTemplate,
  storyRun,
  stepRun,
  transport,
  transportBinding,
];
