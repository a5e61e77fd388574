/**
 * Metrics of a controller (control-plane 9.1, C-108): the ecosystem's names, and those of controller-runtime that
 * dashboards know. Labels are words of closed lists; no run, binding or step is one (DECISIONS W-41).
 */
import client from "prom-client";
import { isTransportError } from "../contract/errors.ts";
import type { Clock } from "../contract/runtime.ts";
import type { Cluster, ClusterEvent } from "../control/cluster.ts";
import type { Decisions } from "../control/decisions.ts";
import { defaultConcurrency, type QueueEvents } from "../control/queue.ts";
import type { World } from "../control/world.ts";
import type { IdentityGate } from "./identity/gate.ts";
import { addIdentityCounter } from "./identity/metrics.ts";
import type { Metrics } from "./metrics.ts";

/** Who asks the API server. */
interface Requester {
  request(method: string, path: string, options: object): Promise<unknown>;
}

export interface ControllerMetricsOptions {
  readonly version: string;
  readonly clock: Clock;
  /** The API server's `host:port`. */
  readonly host: string;
  readonly leads: () => boolean;
  /** Replicas that are not elected show no master. */
  readonly lease: string | null;
}

/** The name that the existing operator's controller has in its metrics. */
const controller = "storyrun";
const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class ControllerMetrics implements Metrics {
  readonly #registry = new client.Registry();
  readonly #options: ControllerMetricsOptions;
  readonly #requests: client.Counter<"code" | "method" | "host">;
  readonly #pending: client.Counter<"transport">;
  readonly #wait: client.Histogram<"transport" | "phase">;
  readonly #watchEvents: client.Counter<"kind" | "type">;
  readonly #writes: client.Counter<"verb" | "kind" | "result">;
  /** When a run was first seen without one of its bindings, by key. */
  readonly #since = new Map<string, number>();

  constructor(options: ControllerMetricsOptions) {
    this.#options = options;
    const registers = [this.#registry];
    const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
      new client.Counter({ name, help, labelNames, registers });
    counter("bobravoz_build_info", "Version of this program", ["version"]).inc({ version: options.version });
    this.#requests = counter("rest_client_requests_total", "Requests to the API server, watches left out", [
      "code",
      "method",
      "host",
    ]);
    this.#pending = counter("bobravoz_transport_binding_pending_total", "Looks at a run that misses a binding", [
      "transport",
    ]);
    this.#wait = new client.Histogram({
      name: "bobravoz_transport_binding_wait_seconds",
      help: "Time since a run first missed a binding",
      labelNames: ["transport", "phase"],
      buckets: Array.from({ length: 10 }, (_, power) => 0.25 * 2 ** power),
      registers,
    });
    this.#watchEvents = counter("bobravoz_controller_watch_events_total", "Objects that came by watches", [
      "kind",
      "type",
    ]);
    this.#writes = counter("bobravoz_controller_writes_total", "Writes of the control loop", [
      "verb",
      "kind",
      "result",
    ]);
    if (options.lease !== null) {
      new client.Gauge({
        name: "leader_election_master_status",
        help: "1 while this replica leads",
        labelNames: ["name"],
        registers,
        collect() {
          this.set({ name: options.lease! }, options.leads() ? 1 : 0);
        },
      });
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  render(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Verdicts of this gate are among the metrics. */
  identity(gate: IdentityGate): void {
    addIdentityCounter(this.#registry, [gate]);
  }

  /** Adds what happened to watches and writes of the cluster, by its own counts; `read` is called at each scrape. */
  cluster(read: () => Readonly<Record<string, number>>): void {
    new client.Counter({
      name: "bobravoz_controller_cluster_total",
      help: "Lists, connections, reconnects, errors and expiries of watches; invalid objects; writes saved or repeated",
      labelNames: ["what"],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [what, count] of Object.entries(read())) this.inc({ what }, count);
      },
    });
  }

  /** The same API, with its requests counted by method and status. */
  counted<Api extends Requester>(api: Api): Api {
    const { host } = this.#options;
    const request: Requester["request"] = async (method, path, options) => {
      let code = "200";
      try {
        return await api.request(method, path, options);
      } catch (error) {
        // the cause is a KubeFault, where there was an answer
        const status = isTransportError(error) ? (error.cause as { readonly status?: number } | undefined)?.status : 0;
        code = status ? String(status) : "<error>";
        throw error;
      } finally {
        this.#requests.inc({ code, method, host });
      }
    };
    return new Proxy(api, {
      get(target, name) {
        if (name === "request") return request;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  /** The same cluster, with writes and events counted; `control` says what a run waits for. */
  watched(cluster: Cluster, control: () => (Decisions & { readonly world: World }) | null): Cluster {
    const writing = async (verb: string, kind: string, write: Promise<void>): Promise<void> => {
      let result = "error";
      try {
        await write;
        result = "success";
      } finally {
        this.#writes.inc({ verb, kind, result });
      }
    };
    return new Proxy(cluster, {
      get: (target, name) => {
        switch (name) {
          case "watch":
            return (onEvent: (event: ClusterEvent) => void, signal: AbortSignal) =>
              target.watch((event) => {
                onEvent(event);
                this.#look(event, control());
              }, signal);
          case "create":
          case "replace":
            return (object: Parameters<Cluster["create"]>[0], signal: AbortSignal) =>
              writing(name, object.kind, target[name](object, signal));
          case "delete":
            return (...args: Parameters<Cluster["delete"]>) => writing("delete", args[0], target.delete(...args));
          case "removeFinalizer":
            return (...args: Parameters<Cluster["removeFinalizer"]>) =>
              writing("removeFinalizer", args[0], target.removeFinalizer(...args));
          case "applyStatus":
            return (...args: Parameters<Cluster["applyStatus"]>) =>
              writing("applyStatus", args[0], target.applyStatus(...args));
          default: {
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === "function" ? value.bind(target) : value;
          }
        }
      },
    });
  }

  /** Metrics of a work queue, under controller-runtime's names; `now` is read at each scrape. */
  queue(now: () => { readonly waiting: number; readonly working: number } | undefined): QueueEvents {
    const registers = [this.#registry];
    const name = "name";
    const labels = { name: controller };
    const gauge = (metric: string, help: string, label: string, read: () => number) =>
      new client.Gauge({
        name: metric,
        help,
        labelNames: [label],
        registers,
        collect() {
          this.set({ [label]: controller }, read());
        },
      });
    gauge("workqueue_depth", "Keys that wait", name, () => now()?.waiting ?? 0);
    gauge("controller_runtime_active_workers", "Keys that are worked on", "controller", () => now()?.working ?? 0);
    gauge(
      "controller_runtime_max_concurrent_reconciles",
      "Keys that are worked on at most",
      "controller",
      () => defaultConcurrency,
    );
    const counter = (metric: string, help: string, labelNames: readonly string[]) =>
      new client.Counter({ name: metric, help, labelNames, registers });
    const histogram = (metric: string, help: string, labelNames: readonly string[]) =>
      new client.Histogram({ name: metric, help, labelNames, buckets: seconds, registers });
    const adds = counter("workqueue_adds_total", "Keys added", [name]);
    const retries = counter("workqueue_retries_total", "Keys that come back after a failure", [name]);
    const waited = histogram("workqueue_queue_duration_seconds", "Time that a key waits", [name]);
    const worked = histogram("workqueue_work_duration_seconds", "Time that work on a key takes", [name]);
    const total = counter("controller_runtime_reconcile_total", "Work on keys by outcome", ["controller", "result"]);
    const errors = counter("controller_runtime_reconcile_errors_total", "Work on keys that failed", ["controller"]);
    const time = histogram("controller_runtime_reconcile_time_seconds", "Time of work on a key", ["controller"]);
    return {
      added: () => adds.inc(labels),
      started: (waitedMs) => waited.observe(labels, waitedMs / 1000),
      finished(outcome, tookMs) {
        worked.observe(labels, tookMs / 1000);
        time.observe({ controller }, tookMs / 1000);
        total.inc({ controller, result: outcome });
        if (outcome === "success") return;
        errors.inc({ controller });
        retries.inc(labels);
      },
    };
  }

  #look(event: ClusterEvent, control: (Decisions & { readonly world: World }) | null): void {
    if (event.type === "synced") return;
    const { object } = event;
    this.#watchEvents.inc({ kind: object.kind, type: event.type });
    if (control === null || (object.kind !== "TransportBinding" && object.kind !== "StoryRun")) return;
    const { namespace = "" } = object.metadata;
    const storyRun = object.kind === "StoryRun" ? object.metadata.name : object.spec.storyRunRef?.name ?? "";
    const key = `${namespace}/${storyRun}`;
    const decision = control.get(namespace, storyRun);
    if (decision === null) return void this.#since.delete(key);
    const misses = decision.bindings.some(({ name }) =>
      control.world.get("TransportBinding", namespace, name)?.status?.endpoint === undefined
    );
    const nowMs = this.#options.clock.monotonicMs();
    const sinceMs = this.#since.get(key);
    const transport = "grpc";
    if (misses) {
      if (sinceMs === undefined) this.#since.set(key, nowMs);
      this.#pending.inc({ transport });
      this.#wait.observe({ transport, phase: "pending" }, (nowMs - (sinceMs ?? nowMs)) / 1000);
    } else if (sinceMs !== undefined) {
      this.#since.delete(key);
      this.#wait.observe({ transport, phase: "ready" }, (nowMs - sinceMs) / 1000);
    }
  }
}
