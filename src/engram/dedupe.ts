/** Which packets were there before: those under way, and the last 4096 that were handled (data-plane 6.10 rule 15). */
import type { DataResponse } from "../../gen/transport/v1/transport_pb.ts";
import { packetKeys } from "../contract/names.ts";

const maxCompleted = 4096;

export class Dedupe {
  readonly #pending = new Set<string>();
  // in the order of their completion, the oldest first
  readonly #completed = new Set<string>();

  /** Takes note of a packet that arrives; what it was before. A packet without a key is always new. */
  arrive(key: string | null): "new" | "pending" | "completed" {
    if (key === null) return "new";
    if (this.#completed.has(key)) return "completed";
    if (this.#pending.has(key)) return "pending";
    this.#pending.add(key);
    return "new";
  }

  /** The packet was handled. */
  complete(key: string | null): void {
    if (key === null) return;
    this.#pending.delete(key);
    this.#completed.add(key);
    if (this.#completed.size <= maxCompleted) return;
    for (const oldest of this.#completed) {
      this.#completed.delete(oldest);
      return;
    }
  }
}

/** What tells a packet from others; null where it has nothing of the kind. */
export function dedupeKey({ envelope, metadata }: DataResponse): string | null {
  if (envelope !== undefined && envelope.streamId !== "" && envelope.sequence > 0n) {
    return `env|${envelope.streamId}|${envelope.partition}|${envelope.sequence}`;
  }
  const id = metadata[packetKeys.messageId];
  return id ? `msg|${id}` : null;
}
