/** Small decisions that several rooms share: what is realtime, what is over, which ports and defaults hold. */
import { formatGoDuration, parseGoDuration } from "./duration.ts";
import { parseGoInteger, trimSpace } from "./go-text.ts";
import { utf8Bytes, utf8Text } from "./json-text.ts";
import { defaultGrpcPort, terminalPhases } from "./names.ts";

/** Whether a Story's runs are realtime: the exact word counts (control-plane R-08). */
export function isRealtime(pattern: string | undefined): boolean {
  return pattern === "realtime";
}

/** How a Story's transports are shown in its status. */
export interface TransportMode {
  readonly mode: "hot" | "fallback";
  readonly modeReason: "batch-pattern" | "streaming-default" | "story-missing";
}

/** Mode by the Story's pattern; null: there is no Story (control-plane R-06). */
export function transportMode(pattern: string | null): TransportMode {
  if (pattern === null) return { mode: "fallback", modeReason: "story-missing" };
  return pattern === "batch"
    ? { mode: "fallback", modeReason: "batch-pattern" }
    : { mode: "hot", modeReason: "streaming-default" };
}

/** Whether a run of this phase is over and left alone (control-plane R-11, C-069). */
export function isTerminalPhase(phase: string | undefined): boolean {
  return phase !== undefined && terminalPhases.has(phase);
}

/** Where an engram finds its connector: loopback, and the default port for 0 or less (control-plane N-16). */
export function localConnectorEndpoint(port: number): string {
  return `127.0.0.1:${port > 0 ? port : defaultGrpcPort}`;
}

/**
 * Workload name as the existing hub operator makes it (control-plane N-02c). For names above 63 bytes it never equals
 * the workflow operator's; ours is `stepRunName`. Kept to recognise what the existing operator left behind.
 */
export function hubWorkloadName(parts: readonly string[]): string {
  const name = parts.join("-");
  const bytes = utf8Bytes(name);
  if (bytes.length <= 63) return name;
  let hash = 0x811c9dc5;
  for (const byte of utf8Bytes(parts.map((part) => `${part}\0`).join(""))) hash = Math.imul(hash ^ byte, 0x01000193);
  const prefix = utf8Text(bytes.subarray(0, 54)).replace(/-$/, "");
  return `${prefix}-${(hash >>> 0).toString(16).padStart(8, "0")}`;
}

/** Settings of the workflow operator that shape what it publishes (control-plane 8.7). Durations are Go texts. */
export interface WorkflowOperatorConfig {
  readonly "controller.transport.heartbeat-interval": string;
  readonly "controller.transport.heartbeat-timeout": string;
  readonly "controller.transport.grpc.default-tls-secret": string;
  readonly "engram.default-grpc-port": number;
  readonly "engram.default-grpc-heartbeat-interval-seconds": number;
  readonly channelBufferSize: number;
  readonly dialTimeoutSeconds: number;
  readonly messageTimeoutSeconds: number;
}

/** Reads the operator's ConfigMap; a value that does not parse or is out of range leaves the default. */
export function readWorkflowOperatorConfig(data: Readonly<Record<string, string | undefined>>): WorkflowOperatorConfig {
  const duration = (key: string, otherwise: string, atLeast: bigint): string => {
    const nanoseconds = parseGoDuration(data[`controller.transport.${key}`] ?? "");
    return nanoseconds === null || nanoseconds < atLeast ? otherwise : formatGoDuration(nanoseconds);
  };
  const positive = (key: string, otherwise: number): number => {
    const value = parseGoInteger(data[`engram.default-${key}`] ?? "");
    return value === null || value <= 0n ? otherwise : Number(value);
  };
  return {
    "controller.transport.heartbeat-interval": duration("heartbeat-interval", "30s", 1_000_000_000n),
    "controller.transport.heartbeat-timeout": duration("heartbeat-timeout", "2m0s", 1n),
    "controller.transport.grpc.default-tls-secret": trimSpace(
      data["controller.transport.grpc.default-tls-secret"] ?? "",
    ),
    "engram.default-grpc-port": positive("grpc-port", defaultGrpcPort),
    "engram.default-grpc-heartbeat-interval-seconds": positive("grpc-heartbeat-interval-seconds", 10),
    channelBufferSize: positive("channel-buffer-size", 16),
    dialTimeoutSeconds: positive("dial-timeout-seconds", 10),
    messageTimeoutSeconds: positive("message-timeout-seconds", 30),
  };
}
