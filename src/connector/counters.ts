/** What a connector counts beside its direct edges: plain fields that metrics read when asked (data-plane 8.2). */

/** Drops after which there is one more log line: each power of ten of a reason. */
function isLogged(count: number): boolean {
  return count === 10 ** Math.floor(Math.log10(count));
}

export class ConnectorCounters {
  packetsReceived = 0;
  bytesReceived = 0;
  packetsSent = 0;
  bytesSent = 0;
  readonly downstreamDrops = new Map<string, number>();
  readonly upstreamDrops = new Map<string, number>();
  /** By `direction type`, of which there are few: a type that is not known counts as `other`. */
  readonly directives = new Map<string, number>();
  readonly capabilityChanges = new Map<string, number>();

  /** A packet of the engram. */
  received(bytes: number): void {
    this.packetsReceived++;
    this.bytesReceived += bytes;
  }

  /** Packets that went to the hub. */
  sent(messages: number, bytes: number): void {
    this.packetsSent += messages;
    this.bytesSent += bytes;
  }

  /** Answers whether this one is worth a log line. */
  downstreamDrop(reason: string): boolean {
    return isLogged(increment(this.downstreamDrops, reason));
  }

  upstreamDrop(reason: string): boolean {
    return isLogged(increment(this.upstreamDrops, reason));
  }

  directive(direction: "in" | "out", type: string): void {
    increment(this.directives, `${direction} ${knownTypes.has(type) ? type : "other"}`);
  }

  capabilityChange(field: string): void {
    increment(this.capabilityChanges, field);
  }
}

function increment(counts: Map<string, number>, key: string): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}

const knownTypes = new Set([
  "noop",
  "start",
  "stop",
  "resume",
  "pause",
  "start-upstream",
  "stop-upstream",
  "start-downstream",
  "stop-downstream",
  "heartbeat",
  "connector.ready",
  "connector.capabilities",
  "handoff.draining",
  "handoff.cutover",
  "handoff.ready",
  "ack",
  "error",
  "codec-select",
  "downstream.delivered",
]);
