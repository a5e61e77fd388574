/** Metrics of the webhook: controller-runtime's names (control-plane 9.1), what was decided, and its certificate's end. */
import client from "prom-client";
import type { Metrics } from "../metrics.ts";
import { admissionPath, type AnswerFact } from "./server.ts";

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class AdmissionMetrics implements Metrics {
  readonly #registry = new client.Registry();
  readonly #requests: client.Counter<"webhook" | "code">;
  readonly #latency: client.Histogram<"webhook">;
  readonly #admissions: client.Counter<"result">;

  /** `notAfterMs` tells when the certificate ends; null while there is none. */
  constructor(version: string, notAfterMs: () => number | null) {
    const registers = [this.#registry];
    new client.Gauge({
      name: "bobravoz_build_info",
      help: "Version of this program",
      labelNames: ["version"],
      registers,
    }).set({ version }, 1);
    this.#requests = new client.Counter({
      name: "controller_runtime_webhook_requests_total",
      help: "Admission requests by HTTP status",
      labelNames: ["webhook", "code"],
      registers,
    });
    this.#latency = new client.Histogram({
      name: "controller_runtime_webhook_latency_seconds",
      help: "Time that admission requests took",
      labelNames: ["webhook"],
      buckets: seconds,
      registers,
    });
    this.#admissions = new client.Counter({
      name: "bobravoz_webhook_admissions_total",
      help: "Admission requests by what was decided",
      labelNames: ["result"],
      registers,
    });
    new client.Gauge({
      name: "bobravoz_webhook_certificate_not_after_seconds",
      help: "When the serving certificate ends, seconds since the epoch; 0 while there is none",
      registers,
      collect() {
        this.set((notAfterMs() ?? 0) / 1000);
      },
    });
  }

  answered({ status, outcome, tookMs }: AnswerFact): void {
    this.#requests.inc({ webhook: admissionPath, code: status });
    this.#latency.observe({ webhook: admissionPath }, tookMs / 1000);
    this.#admissions.inc({ result: outcome });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  render(): Promise<string> {
    return this.#registry.metrics();
  }
}
