/**
 * Kubernetes Events of `events.k8s.io/v1` (control-plane 9.2, M-02): the first of its kind is created, equal ones after
 * it are counted in its `series`. Written one after the other, behind everything else, and never failing the caller.
 */
import { createHash, randomBytes } from "node:crypto";
import { isTransportError } from "../../../contract/errors.ts";
import { apiVersions } from "../../../contract/names.ts";
import type { JsonObject } from "../../../contract/resources.ts";
import type { Clock, Log } from "../../../contract/runtime.ts";
import type { ObjectEvent } from "../../../control/cluster.ts";
import type { KubeApi } from "./api.ts";
import { isKubeFault } from "./fault.ts";
import { kubeKinds } from "./kinds.ts";

export interface EventRecorderOptions {
  readonly api: Pick<KubeApi, "request">;
  readonly clock: Clock;
  readonly log: Log;
  /** `reportingController`. */
  readonly recorder: string;
  /** `reportingInstance`, for example the pod's name. */
  readonly instance: string;
  /** Milliseconds for which repetitions are collected before their count is written. Default 10 000. */
  readonly seriesMs?: number;
}

interface Series {
  readonly key: string;
  readonly event: ObjectEvent;
  readonly name: string;
  readonly firstMs: number;
  lastMs: number;
  count: number;
  /** The count that the API server has; 0: the Event is not created yet. */
  written: number;
  failures: number;
  isQueued: boolean;
}

/** Kinds of Events that are remembered for counting; the one unused for longest is forgotten. */
const maxSeries = 1_000;
/** Writes that wait; further new Events are dropped and counted. */
const maxQueue = 1_000;
/** After so long without repetition the next one is an Event of its own, as with client-go. */
const seriesEndMs = 6 * 60_000;
const writeLimitMs = 10_000;
const maxNote = 1_024;
/** Tries of one write while the API server is not there, the pauses between them growing from a second. */
const maxTries = 5;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #series = new Map<string, Series>();
  readonly #queue: Series[] = [];
  #writing: Promise<void> | null = null;
  /** Events that were not written, since too many waited or the API server refused them. */
  dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(event: ObjectEvent): void {
    const nowMs = this.#options.clock.nowMs();
    const { kind, namespace, name, uid = "", type, reason, message } = event;
    const key = JSON.stringify([kind, namespace, name, uid, type, reason, message]);
    const known = this.#series.get(key);
    if (known !== undefined && nowMs - known.lastMs < seriesEndMs) {
      known.count += 1;
      known.lastMs = nowMs;
      this.#series.delete(key);
      this.#series.set(key, known);
      if (known.written > 0) this.#later(known);
      return;
    }
    if (this.#queue.length >= maxQueue) {
      this.dropped += 1;
      return;
    }
    const suffix = createHash("sha256").update(key).update(randomBytes(8)).digest("hex").slice(0, 16);
    const series: Series = {
      key,
      event,
      name: `${name.slice(0, 236)}.${suffix}`,
      firstMs: nowMs,
      lastMs: nowMs,
      count: 1,
      written: 0,
      failures: 0,
      isQueued: false,
    };
    this.#series.set(key, series);
    if (this.#series.size > maxSeries) this.#series.delete(this.#series.keys().next().value!);
    this.#enqueue(series);
  }

  /** Settles when what was recorded up to now is written, or was dropped; counts that wait are written at once. */
  async flush(): Promise<void> {
    for (const series of this.#series.values()) if (series.count > series.written) this.#enqueue(series);
    await this.#writing;
  }

  #later(series: Series, delayMs = this.#options.seriesMs ?? 10_000): void {
    if (series.isQueued) return;
    series.isQueued = true;
    this.#options.clock.after(delayMs, () => {
      series.isQueued = false;
      if (series.count > series.written) this.#enqueue(series);
    });
  }

  #enqueue(series: Series): void {
    if (this.#queue.includes(series)) return;
    this.#queue.push(series);
    this.#writing ??= this.#writeAll().finally(() => this.#writing = null);
  }

  async #writeAll(): Promise<void> {
    // events of one turn of the loop are counted before the first is written
    await Promise.resolve();
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      try {
        await this.#write(next);
        next.failures = 0;
      } catch (error) {
        if (isTransportError(error, "Unavailable") && ++next.failures < maxTries) {
          this.#later(next, 1_000 * 2 ** (next.failures - 1));
          continue;
        }
        next.failures = 0;
        this.dropped += 1;
        this.#options.log.debug("an Event is not recorded", { reason: next.event.reason, error: String(error) });
      }
    }
  }

  async #write(series: Series): Promise<void> {
    const { count } = series;
    const namespace = kubeKinds[series.event.kind].isNamespaced ? series.event.namespace : "default";
    const collection = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
    const signal = AbortSignal.timeout(writeLimitMs);
    const { api } = this.#options;
    if (series.written > 0) {
      try {
        const type = "application/merge-patch+json";
        const path = `${collection}/${series.name}`;
        await api.request("PATCH", path, { body: { series: seriesOf(series) }, type, signal });
        series.written = count;
        return;
      } catch (error) {
        // its time to live has ended: it is made again
        if (!isKubeFault(error, 404)) throw error;
      }
    }
    try {
      await api.request("POST", collection, { body: this.#objectOf(series, namespace), signal });
    } catch (error) {
      // the answer to the first try was lost
      if (!isKubeFault(error, 409, "AlreadyExists")) throw error;
    }
    series.written = count;
  }

  #objectOf(series: Series, namespace: string): JsonObject {
    const { event, name, firstMs, count } = series;
    const { recorder, instance } = this.#options;
    const regarding: Record<string, string> = {
      apiVersion: apiVersions[event.kind],
      kind: event.kind,
      name: event.name,
    };
    if (kubeKinds[event.kind].isNamespaced) regarding["namespace"] = event.namespace;
    if (event.uid !== undefined) regarding["uid"] = event.uid;
    return {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name, namespace },
      eventTime: microTime(firstMs),
      reportingController: recorder,
      reportingInstance: instance.slice(0, 128),
      action: event.reason.startsWith("TransportCleanup") ? "Cleanup" : "Reconcile",
      reason: event.reason,
      type: event.type,
      note: event.message.length > maxNote ? `${event.message.slice(0, maxNote - 1)}…` : event.message,
      regarding,
      ...(count > 1 ? { series: seriesOf(series) } : {}),
    };
  }
}

function seriesOf({ count, lastMs }: Series): JsonObject {
  return { count, lastObservedTime: microTime(lastMs) };
}

/** A MicroTime has six digits. */
function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace("Z", "000Z");
}
