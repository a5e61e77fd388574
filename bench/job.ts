/** What the bench asks of its load generator, and what that answers: one JSON text each. */

/** `engram`: Data and Control of TransportConnectorService, as an engram speaks them with its connector.
 * `direct`: one gRPC stream from producer to consumer, both in the load generator, nothing between. */
export type Protocol = "grpc" | "tcp" | "engram" | "direct";

interface Target {
  readonly protocol: Protocol;
  readonly port: number;
  /** Where the consumer connects. Default: `port`. */
  readonly consumerPort?: number;
  /** Process whose CPU time and memory count. */
  readonly pid: number;
  /** More processes whose CPU time counts. */
  readonly morePids?: readonly number[];
  /** Whether the consumer gives credits back. */
  readonly returnsCredits: boolean;
}

/** As many messages as the subject takes, for `seconds` after `warmSeconds`. */
export interface SaturatedJob extends Target {
  readonly measure: "saturated";
  readonly packetBytes: number;
  readonly warmSeconds: number;
  readonly seconds: number;
}

/** Evenly spaced messages; latency from the time at which each was due to its last byte at the consumer. */
export interface PacedJob extends Target {
  readonly measure: "paced";
  readonly packetBytes: number;
  readonly ratePerSecond: number;
  readonly warmSeconds: number;
  readonly seconds: number;
}

/** `streams` registered streams without traffic, half producers, half consumers, of `streams / 2` runs. */
export interface IdleJob extends Target {
  readonly measure: "idle";
  readonly streams: number;
  readonly settleSeconds: number;
}

export type Job = SaturatedJob | PacedJob | IdleJob;

export interface LoadResult {
  readonly seconds: number;
  readonly messagesPerSecond: number;
  /** CPU time of the subject per message delivered; null where the system does not tell. */
  readonly cpuMicrosPerMessage: number | null;
  /** Cores that the subject and the load generator kept busy. */
  readonly subjectCores: number | null;
  readonly loadCores: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly sent: number;
  readonly delivered: number;
}

export interface IdleResult {
  readonly rssPerStreamBytes: number | null;
  readonly rssBeforeBytes: number | null;
  readonly streams: number;
  /** Streams that the subject ended. */
  readonly ended: number;
}
