/** Tells discovery what the connector is, has negotiated and has carried; nothing where nothing changed (X-10, D-061). */
import { create, equals } from "@bufbuild/protobuf";
import {
  ConnectorState,
  EdgeMode,
  type ReportConnectorRequest,
  ReportConnectorRequestSchema,
} from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { isTransportError } from "../contract/errors.ts";
import type { Clock, Log, Timer } from "../contract/runtime.ts";
import type { Connector } from "./connector.ts";
import type { Discovery, StepIdentity } from "./discovery.ts";

export interface ReporterOptions {
  readonly discovery: Pick<Discovery, "report">;
  readonly connector: Connector;
  readonly identity: StepIdentity;
  readonly generation: number;
  /** Where peers reach this connector; null: nowhere. */
  readonly listener: () => { readonly endpoint: string; readonly serverName: string } | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** Counters are looked at this often. */
const intervalMs = 500;
const retryMs = 2_000;

export class Reporter {
  /** Reports that reached discovery, and those that did not. */
  readonly counts = { succeeded: 0, failed: 0 };
  readonly #options: ReporterOptions;
  readonly #timer: Timer;
  #told: ReportConnectorRequest | null = null;
  #telling: Promise<void> | null = null;
  #hasBeenReady = false;
  #isDraining = false;
  #pausedUntilMs = 0;
  #isOver = false;

  /** Begins to report; `stop` ends it. */
  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#timer = options.clock.every(intervalMs, () => this.tell());
    options.connector.onChange(() => this.tell());
  }

  /** Reports now where something changed. */
  tell(): void {
    if (this.#isOver || this.#telling !== null || this.#options.clock.monotonicMs() < this.#pausedUntilMs) return;
    const report = this.#report();
    if (this.#told !== null && equals(ReportConnectorRequestSchema, report, this.#told)) return;
    this.#telling = this.#send(report).finally(() => {
      this.#telling = null;
    });
  }

  /** The last report, that the connector drains; settles when it is told or cannot be. */
  async stop(): Promise<void> {
    this.#timer.cancel();
    await this.#telling;
    this.#isDraining = true;
    this.#pausedUntilMs = 0;
    this.tell();
    await this.#telling;
    this.#isOver = true;
  }

  async #send(report: ReportConnectorRequest): Promise<void> {
    const { discovery, clock, log, identity } = this.#options;
    try {
      await discovery.report(report);
      this.#told = report;
      this.counts.succeeded++;
    } catch (error) {
      this.counts.failed++;
      const reason = isTransportError(error) ? error.reason : "PeerFailed";
      // a newer connector of the step has reported: this one has nothing more to say
      if (reason === "StaleGeneration") this.#isOver = true;
      this.#pausedUntilMs = clock.monotonicMs() + retryMs;
      if (this.counts.failed === 1 || reason === "StaleGeneration") {
        const detail = error instanceof Error ? error.message : String(error);
        log.warn("report failed", { ...identity, reason, detail });
      }
    }
  }

  #report(): ReportConnectorRequest {
    const { connector, identity, generation, listener } = this.#options;
    this.#hasBeenReady ||= connector.hasEngram;
    const negotiated = this.#hasBeenReady ? connector.capabilities ?? {} : {};
    const audio = negotiated["audio.codec"];
    const video = negotiated["video.codec"];
    return create(ReportConnectorRequestSchema, {
      ...identity,
      generation,
      state: this.#isDraining
        ? ConnectorState.DRAINING
        : this.#hasBeenReady
        ? ConnectorState.READY
        : ConnectorState.STARTING,
      version: connector.binding.version,
      ...(audio === undefined ? {} : { audio: { name: audio } }),
      ...(video === undefined ? {} : { video: { name: video } }),
      binary: negotiated["binary.mime"] ?? "",
      lanes: [...connector.binding.lanes],
      listener: this.#isDraining ? undefined : listener() ?? undefined,
      edges: [...connector.router.edges].map((edge) => {
        const { from, to, received, receivedBytes, delivered, deliveredBytes, buffered, dropped } = edge.snapshot();
        return {
          from,
          to,
          mode: EdgeMode.P2P,
          received: BigInt(received),
          receivedBytes: BigInt(receivedBytes),
          delivered: BigInt(delivered),
          deliveredBytes: BigInt(deliveredBytes),
          buffered: BigInt(buffered),
          dropped: Object.fromEntries([...dropped].map(([reason, count]) => [reason, BigInt(count)])),
        };
      }),
    });
  }
}
