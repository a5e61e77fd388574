/** codecs.json: what a binding carries, whether a Transport supports it, and how a Transport sees its bindings. */
import type { AudioCodec, Condition, Transport, VideoCodec } from "../../../src/contract/resources.ts";
import { aggregate, readiness, uniqueAudio, uniqueBinary, uniqueVideo } from "../../../src/topology/aggregate.ts";
import type { ObservedBinding } from "../../../src/topology/aggregate.ts";
import { hasMedia, incompatibility, mediaOf, negotiate, unsupportedMedia } from "../../../src/topology/negotiate.ts";
import type { Media, Negotiated } from "../../../src/topology/negotiate.ts";
import { topicByOperation } from "../topic.ts";
import type { Answer } from "../topic.ts";

interface Pair {
  readonly transport: Transport["spec"];
  readonly binding: Media & { readonly driver: string };
}

interface Aggregation {
  readonly transportName: string;
  readonly transport: Transport["spec"];
  readonly heartbeatTimeoutSeconds: number;
  readonly bindings: readonly {
    readonly name: string;
    readonly spec: Pair["binding"] & { readonly transportRef?: string };
    readonly status?: Negotiated;
    readonly ready?: Omit<NonNullable<ObservedBinding["ready"]>, "ageMs"> & { readonly ageSeconds: number };
  }[];
}

/** A case of codecs.json. */
export const codecs = topicByOperation({
  support: ({ binding, transport }: Pair): Answer => {
    const [first] = unsupportedMedia(binding, transport);
    return first === undefined ? { output: true } : { error: first.detail };
  },
  compatibility: ({ binding, transport }: Pair): Answer => ({
    output: {
      anyLane: hasMedia(binding),
      fields: unsupportedMedia(binding, transport).map((fault) => ({ ...fault, type: "FieldValueInvalid" })),
      message: incompatibility(binding, transport) ?? "",
    },
  }),
  populate: ({ transport }: Pair): Answer => ({ output: mediaOf(transport) }),
  negotiate: (input: { binding: Media; status: Negotiated; generation: number }): Answer => ({
    output: { ...negotiate(input.binding, input.status), observedGeneration: input.generation },
  }),
  unique: ({ kind, values }: { kind: "audio" | "video" | "binary"; values: readonly unknown[] | null }): Answer => {
    switch (kind) {
      case "audio":
        return { output: uniqueAudio((values ?? []) as readonly AudioCodec[]) };
      case "video":
        return { output: uniqueVideo((values ?? []) as readonly VideoCodec[]) };
      case "binary":
        return { output: uniqueBinary((values ?? []) as readonly string[]) };
    }
  },
  ready: ({ conditions }: { conditions: readonly Condition[] }): Answer => ({ output: readiness(conditions) }),
  aggregate: aggregation,
});

function aggregation(input: Aggregation): Answer {
  const { transportName, transport, heartbeatTimeoutSeconds } = input;
  const bindings = input.bindings.map(({ name, spec, status, ready }): ObservedBinding => ({
    name,
    spec: { transportRef: transportName, ...spec },
    ...(status === undefined ? {} : { status }),
    ...(ready === undefined ? {} : { ready: { ...ready, ageMs: ready.ageSeconds * 1_000 } }),
  }));
  const subject = { name: transportName, spec: transport, valid: transport.driver.trim() !== "" };
  const result = aggregate(subject, bindings, heartbeatTimeoutSeconds * 1_000);
  return {
    output: {
      audio: result.audio,
      video: result.video,
      binary: result.binary,
      errors: result.errors.map(withoutDuration),
      heartbeat: result.heartbeatAgeMs !== null,
      ready: result.ready,
      total: result.total,
      bindingsAfter: bindings.map(({ name, ready }) => {
        const after = result.changes.get(name) ?? ready;
        if (after === undefined) return { name };
        const { status, reason, message } = after;
        return { name, ready: { status, reason, message: withoutDuration(message) } };
      }),
    },
  };
}

/** The files write `*` for a duration. */
function withoutDuration(text: string): string {
  return text.replace(/(heartbeat stale for )\S+/, "$1*");
}
