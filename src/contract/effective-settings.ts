/** Effective settings as a typed value, read from a document that was merged, defaulted and checked. */
import { positiveDurationMs } from "./duration.ts";
import { lowerCase, trimSpace } from "./go-text.ts";
import type { JsonObject, JsonValue } from "./resources.ts";
import { isJsonArray, isJsonObject, settingValues } from "./settings-schema.ts";

type Value<Name extends keyof typeof settingValues> = (typeof settingValues)[Name][number];

export interface Amount {
  readonly messages: number | undefined;
  readonly bytes: number | undefined;
}

export interface Lane {
  readonly name: string;
  readonly kind: Value<"laneKind">;
  readonly direction: Value<"direction">;
  readonly description: string | undefined;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

export interface RoutingRule {
  readonly name: string | undefined;
  /** Template; undefined: the rule always applies. */
  readonly when: string | undefined;
  readonly action: Value<"action">;
  /** Empty: every target. */
  readonly target: { readonly steps: readonly string[] };
}

/**
 * Every setting of control-plane 1.8; undefined where it is unset and has no default. The rules by which one
 * setting implies another (data-plane 3.19) are not applied.
 */
export interface EffectiveSettings {
  readonly backpressure: {
    readonly buffer: {
      readonly maxMessages: number | undefined;
      readonly maxBytes: number | undefined;
      readonly maxAgeSeconds: number | undefined;
      readonly dropPolicy: Value<"dropPolicy"> | undefined;
    };
  };
  readonly flowControl: {
    readonly mode: Value<"flowControl">;
    readonly initialCredits: Amount | undefined;
    readonly ackEvery: (Amount & { readonly maxDelayMs: number | undefined }) | undefined;
    readonly pauseThreshold: { readonly bufferPct: number | undefined };
    readonly resumeThreshold: { readonly bufferPct: number | undefined };
  };
  readonly delivery: {
    readonly ordering: Value<"ordering">;
    readonly semantics: Value<"semantics">;
    readonly replay: {
      readonly mode: Value<"replay">;
      readonly retentionSeconds: number | undefined;
      readonly checkpointIntervalMs: number | undefined;
    };
  };
  readonly routing: {
    readonly mode: Value<"routing">;
    readonly fanOut: Value<"fanOut">;
    readonly maxDownstreams: number;
    readonly rules: readonly RoutingRule[];
  };
  readonly lanes: readonly Lane[];
  readonly fanIn: {
    readonly mode: Value<"fanIn">;
    readonly quorum: number | undefined;
    readonly timeoutSeconds: number | undefined;
    readonly maxEntries: number | undefined;
  } | undefined;
  readonly partitioning: {
    readonly mode: Value<"partitioning">;
    readonly key: string | undefined;
    readonly partitions: number | undefined;
    readonly sticky: boolean | undefined;
  };
  readonly lifecycle: {
    readonly strategy: Value<"strategy"> | undefined;
    readonly drainTimeoutSeconds: number | undefined;
    readonly maxInFlight: number | undefined;
  };
  readonly observability: {
    readonly metrics: { readonly enabled: boolean | undefined };
    readonly tracing: {
      readonly enabled: boolean | undefined;
      /** Percent; 0 traces nothing (DECISIONS W-23). */
      readonly sampleRate: number;
      readonly samplePolicy: Value<"samplePolicy"> | undefined;
    };
    readonly watermark: { readonly enabled: boolean | undefined; readonly timestampSource: string | undefined };
  };
  readonly recording: {
    readonly mode: Value<"recording">;
    /** Percent; 0 records nothing (DECISIONS W-23). */
    readonly sampleRate: number;
    readonly retentionSeconds: number | undefined;
    readonly redactFields: readonly string[];
  };
  /** The whole document, with what this project does not read (`env` and unknown names). */
  readonly document: JsonObject;
}

/** Reads a checked document with its defaults in place. */
export function readSections(settings: JsonObject): Omit<EffectiveSettings, "document"> {
  const buffer = at(settings, "backpressure", "buffer");
  const flow = at(settings, "flowControl");
  const delivery = at(settings, "delivery");
  const replay = at(delivery, "replay");
  const routing = at(settings, "routing");
  const partitioning = at(settings, "partitioning");
  const lifecycle = at(settings, "lifecycle");
  const tracing = at(settings, "observability", "tracing");
  const watermark = at(settings, "observability", "watermark");
  const recording = at(settings, "recording");
  return {
    backpressure: {
      buffer: {
        maxMessages: number(buffer, "maxMessages"),
        maxBytes: number(buffer, "maxBytes"),
        maxAgeSeconds: number(buffer, "maxAgeSeconds"),
        dropPolicy: closed(buffer, "dropPolicy", settingValues.dropPolicy),
      },
    },
    flowControl: {
      mode: closed(flow, "mode", settingValues.flowControl) ?? "none",
      initialCredits: flow["initialCredits"] === undefined ? undefined : amount(at(flow, "initialCredits")),
      ackEvery: flow["ackEvery"] === undefined ? undefined : {
        ...amount(at(flow, "ackEvery")),
        maxDelayMs: duration(at(flow, "ackEvery"), "maxDelay"),
      },
      pauseThreshold: { bufferPct: number(at(flow, "pauseThreshold"), "bufferPct") },
      resumeThreshold: { bufferPct: number(at(flow, "resumeThreshold"), "bufferPct") },
    },
    delivery: {
      ordering: closed(delivery, "ordering", settingValues.ordering) ?? "none",
      semantics: closed(delivery, "semantics", settingValues.semantics) ?? "best_effort",
      replay: {
        mode: closed(replay, "mode", settingValues.replay) ?? "none",
        retentionSeconds: number(replay, "retentionSeconds"),
        checkpointIntervalMs: duration(replay, "checkpointInterval"),
      },
    },
    routing: {
      mode: closed(routing, "mode", settingValues.routing) ?? "auto",
      fanOut: closed(routing, "fanOut", settingValues.fanOut) ?? "sequential",
      maxDownstreams: number(routing, "maxDownstreams") ?? 0,
      rules: objects(routing, "rules").map(readRule),
    },
    lanes: objects(settings, "lanes").map(readLane),
    fanIn: settings["fanIn"] === undefined ? undefined : readFanIn(at(settings, "fanIn")),
    partitioning: {
      mode: closed(partitioning, "mode", settingValues.partitioning) ?? "none",
      key: text(partitioning, "key"),
      partitions: number(partitioning, "partitions"),
      sticky: boolean(partitioning, "sticky"),
    },
    lifecycle: {
      strategy: closed(lifecycle, "strategy", settingValues.strategy),
      drainTimeoutSeconds: number(lifecycle, "drainTimeoutSeconds"),
      maxInFlight: number(lifecycle, "maxInFlight"),
    },
    observability: {
      metrics: { enabled: boolean(at(settings, "observability", "metrics"), "enabled") },
      tracing: {
        enabled: boolean(tracing, "enabled"),
        sampleRate: number(tracing, "sampleRate") ?? 100,
        samplePolicy: closed(tracing, "samplePolicy", settingValues.samplePolicy),
      },
      watermark: { enabled: boolean(watermark, "enabled"), timestampSource: text(watermark, "timestampSource") },
    },
    recording: {
      mode: closed(recording, "mode", settingValues.recording) ?? "off",
      sampleRate: number(recording, "sampleRate") ?? 100,
      retentionSeconds: number(recording, "retentionSeconds"),
      redactFields: list(recording, "redactFields").map(String),
    },
  };
}

function readLane(lane: JsonObject): Lane {
  return {
    name: text(lane, "name") ?? "",
    kind: closed(lane, "kind", settingValues.laneKind) ?? "payload",
    direction: closed(lane, "direction", settingValues.direction) ?? "bidirectional",
    description: text(lane, "description"),
    maxMessages: number(lane, "maxMessages") ?? 0,
    maxBytes: number(lane, "maxBytes") ?? 0,
  };
}

function readRule(rule: JsonObject): RoutingRule {
  return {
    name: text(rule, "name"),
    when: text(rule, "when"),
    action: closed(rule, "action", settingValues.action) ?? "allow",
    target: { steps: list(at(rule, "target"), "steps").map((step) => trimSpace(String(step))) },
  };
}

function readFanIn(fanIn: JsonObject): EffectiveSettings["fanIn"] {
  return {
    mode: closed(fanIn, "mode", settingValues.fanIn) ?? "all",
    quorum: number(fanIn, "quorum"),
    timeoutSeconds: number(fanIn, "timeoutSeconds"),
    maxEntries: number(fanIn, "maxEntries"),
  };
}

// Below: typed reads of a document that was checked; another type than asked for is an absent value.

function at(value: JsonObject, ...keys: readonly string[]): JsonObject {
  return keys.reduce<JsonObject>((object, key) => {
    const member = object[key];
    return isJsonObject(member) ? member : {};
  }, value);
}

function number(value: JsonObject, key: string): number | undefined {
  const member = value[key];
  return typeof member === "number" ? member : undefined;
}

function boolean(value: JsonObject, key: string): boolean | undefined {
  const member = value[key];
  return typeof member === "boolean" ? member : undefined;
}

/** A text that is not empty. */
function text(value: JsonObject, key: string): string | undefined {
  const member = value[key];
  return typeof member === "string" && member !== "" ? member : undefined;
}

function closed<Name extends string>(value: JsonObject, key: string, values: readonly Name[]): Name | undefined {
  const member = lowerCase(trimSpace(text(value, key) ?? ""));
  return values.find((known) => known === member);
}

function duration(value: JsonObject, key: string): number | undefined {
  return positiveDurationMs(text(value, key) ?? "") ?? undefined;
}

function amount(value: JsonObject): Amount {
  return { messages: number(value, "messages"), bytes: number(value, "bytes") };
}

function list(value: JsonObject, key: string): readonly JsonValue[] {
  const member = value[key];
  return isJsonArray(member) ? member : [];
}

function objects(value: JsonObject, key: string): readonly JsonObject[] {
  return list(value, key).filter(isJsonObject);
}
