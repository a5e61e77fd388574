/**
 * What connectors said of themselves and of their bindings: in memory, for lists and metrics, and as far as others
 * must know it in the status of their TransportBindings (DECISIONS X-10, K-12, K-17).
 * Knows reports, acknowledgements and watches; refuses to know which edge follows from them.
 */
import { TransportError } from "../contract/errors.ts";
import { fieldManagers } from "../contract/names.ts";
import type { Condition, JsonObject, TransportBinding } from "../contract/resources.ts";
import type { Clock, Log, Timer } from "../contract/runtime.ts";
import { sameJson } from "../contract/same-json.ts";
import type { Cluster } from "./cluster.ts";
import { timeText } from "./conditions.ts";
import type { ConnectorReport } from "./connector-report.ts";
import { connectorStatus, listenerOf } from "./connector-status.ts";
import type { Rejection, Verdict } from "./subscriptions.ts";

/** A step of a run, whose connector is meant. */
export interface StepKey {
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
}

/** What is known of a connector. */
export interface ConnectorFacts {
  /** The latest report; null when none came. */
  readonly report: ConnectorReport | null;
  /** Where peers reach it now. */
  readonly listener: { readonly endpoint: string; readonly serverName: string } | null;
  /** Version that the latest watcher of the binding accepted; empty when none did. */
  readonly acked: string;
  /** The latest watcher's rejection, until it accepts a version. */
  readonly rejection: Rejection | null;
}

export interface ReportsOptions {
  readonly cluster: Pick<Cluster, "applyStatus">;
  /** A TransportBinding as it was seen last. */
  binding(namespace: string, name: string): TransportBinding | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a connector may be without a watch before its listener counts as gone. Default 2 s. */
  readonly graceMs?: number;
  /** A status write takes at most this long. Default 10 s. */
  readonly writeLimitMs?: number;
}

interface Entry {
  readonly key: StepKey;
  /** Name of the TransportBinding. */
  name: string;
  report: ConnectorReport | null;
  acked: string;
  rejection: Rejection | null;
  watches: number;
  grace: Timer | null;
  present: boolean;
  // The step is no more; the entry goes with its last watch.
  forgotten: boolean;
  // The last status written, and the write that is on its way: one writer per binding.
  written: JsonObject | null;
  writing: Promise<void>;
}

/** The reports of this replica. */
export class ConnectorReports {
  readonly #options: ReportsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new AbortController();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /**
   * Takes a report on the binding `name` and settles once its status says so; a report that changes nothing there
   * writes nothing. Throws `StaleGeneration` for a generation lower than one reported before, and `Unavailable` when
   * the status cannot be written, after which the same report may be sent again.
   */
  async report(report: ConnectorReport, name: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const entry = this.#entry(report);
    const known = entry.report?.generation ?? 0;
    if (report.generation < known) {
      const { namespace, storyRun, step } = report;
      throw new TransportError(
        "StaleGeneration",
        `connector generation ${report.generation} of step "${step}" of ${namespace}/${storyRun} is below ${known}`,
        { namespace, storyRun, step },
      );
    }
    entry.name = name;
    entry.report = report;
    entry.present = true;
    await this.#write(entry);
  }

  /** What is known of a step's connector. */
  facts(key: StepKey): ConnectorFacts {
    const entry = this.#entries.get(textOf(key));
    if (entry === undefined) return { report: null, listener: null, acked: "", rejection: null };
    const { report, acked, rejection, present } = entry;
    return { report, listener: report === null ? null : listenerOf(report, present), acked, rejection };
  }

  /** Takes note of what a watcher said of a step's binding. */
  verdict(key: StepKey, { version, rejection }: Pick<Verdict, "version" | "rejection">): void {
    const entry = this.#entry(key);
    entry.rejection = rejection;
    if (rejection === null) entry.acked = version;
  }

  /**
   * Takes note that the connector of a step began a watch. Returns what to call at its end: when no other watch begins
   * within the grace, the connector counts as gone and its listener with it, until it reports again.
   */
  watched(key: StepKey): () => void {
    const entry = this.#entry(key);
    entry.watches += 1;
    entry.grace?.cancel();
    entry.grace = null;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      entry.watches -= 1;
      if (entry.watches > 0 || this.#closing.signal.aborted) return;
      if (entry.forgotten) {
        this.#entries.delete(textOf(key));
        return;
      }
      entry.grace = this.#options.clock.after(this.#options.graceMs ?? 2_000, () => this.#leave(entry));
    };
  }

  /** Forgets a step that is no more. */
  forget(key: StepKey): void {
    const entry = this.#entries.get(textOf(key));
    if (entry === undefined) return;
    entry.forgotten = true;
    entry.grace?.cancel();
    if (entry.watches === 0) this.#entries.delete(textOf(key));
  }

  /** Stops timers and writes; what the statuses say stays. */
  close(): void {
    this.#closing.abort();
    for (const entry of this.#entries.values()) entry.grace?.cancel();
  }

  #entry({ namespace, storyRun, step }: StepKey): Entry {
    const key = { namespace, storyRun, step };
    const text = textOf(key);
    let entry = this.#entries.get(text);
    if (entry === undefined) {
      entry = {
        key,
        name: "",
        report: null,
        acked: "",
        rejection: null,
        watches: 0,
        grace: null,
        present: true,
        forgotten: false,
        written: null,
        writing: Promise.resolve(),
      };
      this.#entries.set(text, entry);
    }
    entry.forgotten = false;
    return entry;
  }

  #leave(entry: Entry): void {
    entry.grace = null;
    if (entry.report === null || listenerOf(entry.report, entry.present) === null) return;
    entry.present = false;
    const fields = { ...entry.key, reason: "ConnectorGone" };
    this.#options.log.info("connector is gone", fields);
    this.#write(entry).catch(() => this.#options.log.warn("listener of a gone connector still stands", fields));
  }

  /** Writes what the entry says once writes before it are done; nothing where that stands already. */
  #write(entry: Entry): Promise<void> {
    const write = entry.writing.then(() => this.#apply(entry));
    entry.writing = write.catch(() => {});
    return write;
  }

  async #apply(entry: Entry): Promise<void> {
    const { report, name, present, key: { namespace } } = entry;
    if (report === null) return;
    const { binding, clock, cluster, writeLimitMs = 10_000 } = this.#options;
    const seen = binding(namespace, name)?.status?.conditions;
    // A status is a JSON object whose conditions have been made by `connectorStatus`.
    const known = (entry.written?.conditions as readonly Condition[] | undefined) ?? seen;
    const status = connectorStatus(report, present, known, timeText(clock.nowMs()));
    // Another replica may have written since: then what is seen is not what was written here.
    if (entry.written !== null && sameJson(entry.written, status) && stands(status, seen)) return;
    const late = new AbortController();
    const timer = clock.after(writeLimitMs, () => late.abort(new TransportError("DeadlineExceeded", "write is late")));
    const signal = AbortSignal.any([this.#closing.signal, late.signal]);
    try {
      await cluster.applyStatus("TransportBinding", namespace, name, fieldManagers.connector, status, signal);
      entry.written = status;
    } catch (cause) {
      const message = `status of TransportBinding ${namespace}/${name} could not be written`;
      throw new TransportError("Unavailable", message, { ...entry.key, binding: name }, { cause });
    } finally {
      timer.cancel();
    }
  }
}

/** Whether every condition of `status` is among those seen. */
function stands(status: JsonObject, seen: readonly Condition[] | undefined): boolean {
  const conditions = status.conditions as unknown as readonly Condition[];
  return seen !== undefined && conditions.every((each) => seen.some((condition) => sameJson(condition, each)));
}

function textOf({ namespace, storyRun, step }: StepKey): string {
  return `${namespace}/${storyRun}/${step}`;
}
