/** How packets for a step are buffered and paced, from the settings in force (data-plane 4.1, 4.5). */
import type { EffectiveSettings } from "../contract/effective-settings.ts";
import type { DeliveryPlan, LaneKind, Limit } from "./plan.ts";

/** Limits of a buffer when nothing is set (data-plane 4.1). */
export const defaultBuffer: Limit = { maxMessages: 1_000, maxBytes: 10_485_760 };

const laneKinds: readonly LaneKind[] = ["audio", "video", "binary", "payload"];

/** The delivery plan of settings. A limit of 0 is none and gives the default. */
export function deliveryOf({ backpressure, flowControl, lanes }: EffectiveSettings): DeliveryPlan {
  const asked = backpressure.buffer;
  const buffer = limitOf(asked.maxMessages, asked.maxBytes, defaultBuffer);
  const initial = flowControl.initialCredits;
  return {
    buffer,
    maxAgeMs: (asked.maxAgeSeconds ?? 0) * 1_000,
    dropPolicy: asked.dropPolicy ?? null,
    lanes: Object.fromEntries(laneKinds.map((kind) => {
      const lane = lanes.find((candidate) => candidate.kind === kind);
      return [kind, lane === undefined ? null : limitOf(lane.maxMessages, lane.maxBytes, buffer)];
      // Every kind of the list above is a key.
    })) as Record<LaneKind, Limit | null>,
    credits: flowControl.mode === "none" ? null : limitOf(initial?.messages, initial?.bytes, buffer),
  };
}

function limitOf(messages: number | undefined, bytes: number | undefined, otherwise: Limit): Limit {
  return { maxMessages: messages || otherwise.maxMessages, maxBytes: bytes || otherwise.maxBytes };
}
