/**
 * A Transport's view of its bindings (control-plane B-30, B-51, B-52): which are ready, which failed and why, and
 * which codecs are in use. Time is passed in; conditions come out as values for the caller to write.
 */
import type { AudioCodec, Condition, Transport, VideoCodec } from "../contract/resources.ts";
import { incompatibility, negotiate } from "./negotiate.ts";
import type { Media, Negotiated } from "./negotiate.ts";

/** How readers take a `Ready` condition (control-plane B-30). */
export interface Readiness {
  readonly ready: boolean;
  /** No waiting will help. */
  readonly terminal: boolean;
  readonly message: string;
}

const terminalReasons: ReadonlySet<string> = new Set(["TransportFailed", "ValidationFailed", "InvalidConfiguration"]);

type ReadyCondition = Pick<Condition, "reason" | "message"> & { readonly status: string };

/** Reads the first condition of type `Ready`. */
export function readiness(conditions: readonly (ReadyCondition & { readonly type: string })[] | undefined): Readiness {
  return readinessOf(conditions?.find((condition) => condition.type === "Ready"));
}

function readinessOf(ready: ReadyCondition | undefined): Readiness {
  if (ready === undefined) return { ready: false, terminal: false, message: "ready condition not reported" };
  const message = ready.message.trim();
  if (ready.status === "True") return { ready: true, terminal: false, message };
  return {
    ready: false,
    terminal: terminalReasons.has(ready.reason),
    message: message || ready.reason || `condition Ready=${ready.status}`,
  };
}

/** Audio codecs without repeats: names trimmed and lower-case, blank ones dropped, order kept (control-plane B-52). */
export function uniqueAudio(codecs: readonly AudioCodec[]): readonly AudioCodec[] {
  return unique(codecs, ({ name, ...rest }) => ({ name: normal(name), ...rest }), (codec) => codec.name);
}

/** Video codecs without repeats; profiles are compared like names. */
export function uniqueVideo(codecs: readonly VideoCodec[]): readonly VideoCodec[] {
  return unique(codecs, ({ name, profile }) => {
    return { name: normal(name), ...(profile?.trim() ? { profile: normal(profile) } : {}) };
  }, (codec) => codec.name);
}

/** MIME types without repeats. */
export function uniqueBinary(types: readonly string[]): readonly string[] {
  return unique(types, normal, (type) => type);
}

function unique<T>(values: readonly T[], normalize: (value: T) => T, nameOf: (value: T) => string): readonly T[] {
  const seen = new Map<string, T>();
  for (const value of values.map(normalize)) {
    const key = JSON.stringify(value);
    if (nameOf(value) !== "" && !seen.has(key)) seen.set(key, value);
  }
  return [...seen.values()];
}

function normal(text: string): string {
  return text.trim().toLowerCase();
}

/** A binding as the aggregation looks at it. */
export interface ObservedBinding {
  /** `namespace/name`. */
  readonly name: string;
  readonly spec: Media & { readonly driver: string; readonly transportRef: string };
  readonly status?: Negotiated;
  /** The `Ready` condition; `ageMs` is the time since its last transition. */
  readonly ready?: ReadyCondition & { readonly ageMs: number };
}

export interface Aggregation {
  /** The conditions to write, by binding name; bindings that keep theirs are not in it. */
  readonly changes: ReadonlyMap<string, ReadyCondition>;
  readonly total: number;
  readonly ready: number;
  /** `name: why` of terminal bindings, in order. */
  readonly errors: readonly string[];
  readonly audio: readonly AudioCodec[];
  readonly video: readonly VideoCodec[];
  readonly binary: readonly string[];
  /** Age of the youngest heartbeat that counts; null when none does. */
  readonly heartbeatAgeMs: number | null;
}

/**
 * Looks at every binding of one Transport. `valid` says whether the Transport itself is: an invalid one marks nothing
 * incompatible.
 */
export function aggregate(
  transport: { readonly name: string; readonly spec: Transport["spec"]; readonly valid: boolean },
  bindings: readonly ObservedBinding[],
  heartbeatTimeoutMs: number,
): Aggregation {
  const changes = new Map<string, ReadyCondition>();
  const errors: string[] = [];
  const audio: AudioCodec[] = [];
  const video: VideoCodec[] = [];
  const binary: string[] = [];
  const ages: number[] = [];
  let total = 0;
  let ready = 0;
  for (const binding of bindings) {
    if (binding.spec.transportRef !== transport.name) continue;
    total++;
    const mark = (reason: string, message: string) => changes.set(binding.name, { status: "False", reason, message });
    const detail = transport.valid ? incompatibility(binding.spec, transport.spec) : null;
    if (detail !== null) {
      const message = `incompatible with transport ${transport.name}: ${detail}`;
      if (binding.ready?.reason !== "InvalidConfiguration" || binding.ready.message !== message) {
        mark("InvalidConfiguration", message);
      }
      errors.push(`${binding.name}: ${message}`);
      continue;
    }
    if (binding.ready !== undefined && binding.ready.ageMs > heartbeatTimeoutMs) {
      const message = `connector heartbeat stale for ${duration(binding.ready.ageMs)}`;
      mark("TransportFailed", message);
      errors.push(`${binding.name}: ${message}`);
      continue;
    }
    // Counted as found: a binding that fits again still counts as failed in this round.
    if (binding.ready?.reason === "InvalidConfiguration") {
      mark("Reconciling", "transport compatibility restored; awaiting connector heartbeat");
    }
    if (binding.ready !== undefined) ages.push(binding.ready.ageMs);
    const state = readinessOf(binding.ready);
    if (state.ready) ready++;
    if (state.terminal) errors.push(`${binding.name}: ${state.message}`);
    const settled = negotiate(binding.spec, binding.status);
    if (settled.negotiatedAudio) audio.push(settled.negotiatedAudio);
    if (settled.negotiatedVideo) video.push(settled.negotiatedVideo);
    if (settled.negotiatedBinary) binary.push(settled.negotiatedBinary);
  }
  return {
    changes,
    total,
    ready,
    errors,
    audio: uniqueAudio(audio),
    video: uniqueVideo(video),
    binary: uniqueBinary(binary),
    heartbeatAgeMs: ages.length === 0 ? null : Math.min(...ages),
  };
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}
