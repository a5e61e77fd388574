/** Schemas that several kinds use: references, conditions, codecs, validation states (control-plane 1.2, 1.7). */
import {
  also,
  atLeast,
  filled,
  int32,
  int64,
  label,
  labelPattern,
  list,
  object,
  oneOf,
  type Rule,
  type Schema,
  text,
  time,
  version,
} from "./schema.ts";

const objectName: Schema = { type: "string", minLength: 1, maxLength: 253, pattern: labelPattern };
const namespace: Schema = { type: "string", maxLength: 63, pattern: labelPattern };

/** To a Story, an Engram or an Impulse. */
export const reference = object({ "name!": objectName, namespace, version, uid: text });

/** To a StoryRun or a StepRun. */
export const runReference = object({ "name!": objectName, namespace, uid: text });

/** To an EngramTemplate. */
export const templateReference = object({
  "name!": { type: "string", minLength: 1, maxLength: 253 },
  version,
  uid: text,
});

const conditionReason: Schema = {
  type: "string",
  minLength: 1,
  maxLength: 1024,
  pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
};

const conditionType: Schema = {
  type: "string",
  maxLength: 316,
  pattern:
    "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
};

/** `status.conditions`, one per type. */
export const conditions: Schema = also(
  list(object({
    "type!": conditionType,
    "status!": oneOf("True", "False", "Unknown"),
    "reason!": conditionReason,
    "message!": { type: "string", maxLength: 32768 },
    "lastTransitionTime!": time,
    observedGeneration: atLeast(0, int64),
  })),
  { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] },
);

/** What StoryRun and StepRun ask of conditions beyond that. */
export const conditionRules: readonly Rule[] = [
  [
    "!has(self.conditions) || self.conditions.all(c, size(c.reason) <= 64)",
    "status.conditions reason field must be <= 64 characters",
  ],
  [
    "!has(self.conditions) || self.conditions.all(c, size(c.message) <= 2048)",
    "status.conditions message field must be <= 2048 characters",
  ],
];

/** `status.phase` of runs and of their steps. */
export const phase = oneOf(
  ...["Pending", "Running", "Succeeded", "Failed", "Finished", "Canceled", "Compensated", "Paused", "Blocked"],
  ...["Scheduling", "Timeout", "Aborted", "Skipped"],
);

export const validationStatus = oneOf("valid", "invalid", "unknown", "pending");

export const audioCodec = object({
  "name!": oneOf("pcm16", "pcm24", "opus", "g711-mu", "g711-a", "g722", "aac", "mp3", "flac", "raw"),
  sampleRateHz: int32,
  channels: int32,
});

export const videoCodec = object({
  "name!": oneOf("h264", "vp8", "vp9", "av1", "raw-yuv420", "raw-rgb", "raw-bgr"),
  profile: text,
});

export const direction = oneOf("publish", "subscribe", "bidirectional");

export const laneName = also(filled, { maxLength: 63, pattern: labelPattern });

export const stepName = label;
