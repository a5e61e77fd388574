/** Configuration of a hub process: one table of variables, defaults and checks (data-plane 7.1, control-plane O-02). */
import { parseGoDuration } from "./duration.ts";

/** Values that a hub obeys; sizes in bytes, times in milliseconds. */
export interface HubConfig {
  readonly maxStreams: number;
  readonly maxBuffers: number;
  readonly bufferTtlMs: number;
  readonly sweepMs: number;
  readonly heartbeatMs: number;
  readonly stallLimitMs: number;
  readonly maxReceiveBytes: number;
}

type Entry = { readonly variable: string; readonly form: "integer" | "duration"; readonly fallback: number };

/** Variable and default of each value. `hub.stallLimit` is ours; the others are the ecosystem's. */
export const hubConfigTable = {
  maxStreams: { variable: "BUBU_HUB_MAX_ACTIVE_STREAMS", form: "integer", fallback: 2000 },
  maxBuffers: { variable: "BUBU_HUB_MAX_BUFFERS", form: "integer", fallback: 1000 },
  bufferTtlMs: { variable: "BUBU_HUB_BUFFER_EVICTION_TTL", form: "duration", fallback: 600_000 },
  sweepMs: { variable: "BUBU_HUB_BUFFER_EVICTION_INTERVAL", form: "duration", fallback: 60_000 },
  heartbeatMs: { variable: "BUBU_GRPC_HEARTBEAT_INTERVAL", form: "duration", fallback: 10_000 },
  stallLimitMs: { variable: "BOBRAVOZ_HUB_STALL_LIMIT", form: "duration", fallback: 5_000 },
  maxReceiveBytes: { variable: "BUBU_GRPC_MAX_RECV_BYTES", form: "integer", fallback: 10_485_760 },
} as const satisfies Record<keyof HubConfig, Entry>;

/**
 * Reads the variables. What does not parse or is not positive keeps its default, and is named in `faults`
 * (control-plane O-02).
 */
export function readHubConfig(
  variable: (name: string) => string | undefined,
): { readonly config: HubConfig; readonly faults: readonly string[] } {
  const faults: string[] = [];
  const read = (entry: Entry): number => {
    const text = variable(entry.variable)?.trim() ?? "";
    if (text === "") return entry.fallback;
    const value = entry.form === "integer" ? parseInteger(text) : parseMilliseconds(text);
    if (value !== null && value > 0) return value;
    faults.push(
      `${entry.variable}: ${JSON.stringify(text)} is not a positive ${entry.form}, ${entry.fallback} is used`,
    );
    return entry.fallback;
  };
  return {
    config: {
      maxStreams: read(hubConfigTable.maxStreams),
      maxBuffers: read(hubConfigTable.maxBuffers),
      bufferTtlMs: read(hubConfigTable.bufferTtlMs),
      sweepMs: read(hubConfigTable.sweepMs),
      heartbeatMs: read(hubConfigTable.heartbeatMs),
      stallLimitMs: read(hubConfigTable.stallLimitMs),
      maxReceiveBytes: read(hubConfigTable.maxReceiveBytes),
    },
    faults,
  };
}

function parseInteger(text: string): number | null {
  return /^[+-]?[0-9]+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null;
}

function parseMilliseconds(text: string): number | null {
  const nanoseconds = parseGoDuration(text);
  return nanoseconds === null ? null : Number(nanoseconds) / 1e6;
}
