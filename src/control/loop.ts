/**
 * The control loop: watches the world, decides the runs that a change touches, tells who asks, and does the writes.
 * Decisions are made at once and synchronously; writes follow run by run, one at a time, with back-off.
 */
import type { Clock, Log, Timer } from "../contract/runtime.ts";
import type { Cluster, ClusterEvent, ObjectEvent } from "./cluster.ts";
import { timeText } from "./conditions.ts";
import { logDecision, sameDecision } from "./decision-change.ts";
import {
  type DecideOptions,
  decideRun,
  decideWith,
  type Decisions,
  isOver,
  isPerStory,
  type RunDecision,
} from "./decisions.ts";
import { bearsOnDecision, dependentsOf, type RunKey } from "./dependents.ts";
import { Heartbeats } from "./heartbeats.ts";
import { Patience } from "./patience.ts";
import { perform, release } from "./perform.ts";
import { recordsAnother } from "./placement-record.ts";
import { KeyQueue, type QueueEvents } from "./queue.ts";
import { reconcile, reconcileGone } from "./reconcile.ts";
import { MemoryWorld, type World } from "./world.ts";

export interface ControlOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly log: Log;
  readonly decide: DecideOptions;
  /** `create`: nobody else makes bindings; `wait`: a workflow operator may, within the grace (DECISIONS K-01). */
  readonly bindings: "create" | "wait";
  /** Whether this replica writes: while it answers false, nothing is written and no event recorded. Default: it does. */
  readonly isLeader?: () => boolean;
  /** How long missing bindings are left to the workflow operator. Default 10 s. */
  readonly graceMs?: number;
  /** How long a connector that refreshes its `Ready` may be silent. Default 2 minutes. */
  readonly heartbeatTimeoutMs?: number;
  /** Settles when writes of another run may begin, so that what decisions are told to goes first. Default: at once. */
  readonly breathe?: () => Promise<void>;
  /** Told of the work on runs, for metrics. */
  readonly queueEvents?: QueueEvents;
}

interface RunEntry {
  readonly key: RunKey;
  readonly patience: Patience;
  readonly heartbeats: Heartbeats;
  decision: RunDecision | null;
  /** Events that hold already, as JSON text; null before the first look. */
  events: ReadonlySet<string> | null;
  again: Timer | null;
}

// An edge that drains is looked at again after this time: no object changes when a buffer runs empty.
const drainPollMs = 100;

export class Control implements Decisions {
  readonly synced: Promise<void>;
  readonly #options: ControlOptions;
  readonly #decideOptions: DecideOptions;
  readonly #world = new MemoryWorld();
  readonly #runs = new Map<string, RunEntry>();
  readonly #dirty = new Map<string, RunKey>();
  readonly #subscribers = new Set<(namespace: string, storyRun: string) => void>();
  readonly #queue: KeyQueue;
  readonly #graceMs: () => number;
  readonly #leads: () => boolean;
  #resolveSynced: () => void = () => {};
  #isListed = false;
  #isFlushing = false;

  constructor(options: ControlOptions) {
    this.#options = options;
    // asked each time: the setting may change while the program runs
    this.#graceMs = () => options.bindings === "create" ? 0 : options.graceMs ?? 10_000;
    this.#leads = options.isLeader ?? (() => true);
    this.#decideOptions = {
      ...options.decide,
      // Where each run has ports of its own, its bindings are its own too.
      makesBindings: (namespace, storyRun) =>
        options.decide.connectorEndpoint === undefined &&
        (this.#runs.get(`${namespace}/${storyRun}`)?.patience.alone ?? false),
    };
    this.synced = new Promise((resolve) => this.#resolveSynced = resolve);
    this.#queue = new KeyQueue({
      clock: options.clock,
      breathe: options.breathe,
      events: options.queueEvents,
      work: (key, signal) => this.#write(key, signal),
      onFailure: (key, error, retryMs) => {
        const { namespace, storyRun } = this.#runs.get(key)?.key ?? {};
        options.log.warn("writes of a run failed", { namespace, storyRun, retryMs, error: String(error) });
      },
    });
  }

  /** Runs whose writes wait, and those that are written. */
  get queue(): { readonly waiting: number; readonly working: number } {
    return this.#queue;
  }

  /** What was seen last. */
  get world(): World {
    return this.#world;
  }

  /** Watches and writes until the signal fires; rejects when the cluster can not be watched at all. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#options.cluster.watch((event) => this.#see(event), signal);
    } finally {
      for (const { again, patience } of this.#runs.values()) {
        again?.cancel();
        patience.rest();
      }
      await this.#queue.close();
    }
  }

  get(namespace: string, storyRun: string): RunDecision | null {
    return this.#runs.get(keyOf({ namespace, storyRun }))?.decision ?? null;
  }

  runs(): readonly RunDecision[] {
    return [...this.#runs.values()].flatMap(({ decision }) => decision ?? []);
  }

  subscribe(changed: (namespace: string, storyRun: string) => void): () => void {
    this.#subscribers.add(changed);
    return () => void this.#subscribers.delete(changed);
  }

  /** Has a run decided again soon, for facts that no object tells: a drained edge, a port, a generation. */
  touch(namespace: string, storyRun: string): void {
    this.#mark({ namespace, storyRun });
  }

  /** Leadership is gained: what another replica may have left unwritten is looked at for every run. */
  lead(): void {
    for (const text of this.#runs.keys()) this.#queue.add(text);
  }

  #see(event: ClusterEvent): void {
    if (event.type === "synced") {
      this.#isListed = true;
      for (const { metadata: { namespace = "", name } } of this.#world.list("StoryRun")) {
        this.#mark({ namespace, storyRun: name });
      }
      // Of a run that was deleted while nobody looked, only what refers to it is left.
      for (const { metadata: { namespace = "" }, spec } of this.#world.list("TransportBinding")) {
        if (spec.storyRunRef !== undefined) this.#mark({ namespace, storyRun: spec.storyRunRef.name });
      }
      this.#flush(true);
      return this.#resolveSynced();
    }
    const { object } = event;
    const { kind, metadata: { namespace, name } } = object;
    const before = this.#world.get(kind, namespace ?? "", name);
    if (event.type === "upserted") this.#world.upsert(object);
    // Whom a Story that is gone bears on, its runs still say.
    else this.#world.remove(kind, namespace, name);
    if (!this.#isListed) return;
    const isDecisive = bearsOnDecision(before, object) ||
      (event.type === "deleted" && bearsOnDecision(undefined, object));
    for (const key of dependentsOf(this.#world, object)) {
      const entry = this.#runs.get(keyOf(key));
      if (isDecisive || entry === undefined || recordsAnother(object, entry.decision)) this.#mark(key);
      // Most events are the echo of our own writes: there may be more to write, and nothing to decide.
      else this.#queue.add(keyOf(key));
    }
  }

  /** Changes of one turn are decided together. */
  #mark(key: RunKey): void {
    this.#dirty.set(keyOf(key), key);
    if (this.#isFlushing || !this.#isListed) return;
    this.#isFlushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(isFirst = false): void {
    this.#isFlushing = false;
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const [text, key] of dirty) {
      const run = this.#world.get("StoryRun", key.namespace, key.storyRun);
      let entry = this.#runs.get(text);
      const isNew = entry === undefined && !isFirst;
      if (entry === undefined) {
        const patience = new Patience(this.#options.clock, this.#graceMs);
        const heartbeats = new Heartbeats(this.#options.clock, this.#options.heartbeatTimeoutMs ?? 120_000);
        this.#runs.set(text, entry = { key, patience, heartbeats, decision: null, events: null, again: null });
      }
      this.#decide(entry, run !== undefined && !isOver(run));
      // A run that has just been made comes before a second look at those that are served.
      this.#queue.add(text, isNew);
    }
  }

  #decide(entry: RunEntry, isLive: boolean): void {
    const { namespace, storyRun } = entry.key;
    const before = entry.decision;
    const next = isLive ? this.#next(entry.key, before) : null;
    entry.decision = next;
    entry.again?.cancel();
    entry.again = null;
    if (next?.topology?.edges.some((edge) => edge.reason === "EdgeDraining")) {
      this.#again(entry, drainPollMs);
    }
    if (sameDecision(before, next)) return;
    logDecision(this.#options.log, entry.key, before, next);
    for (const changed of [...this.#subscribers]) changed(namespace, storyRun);
  }

  /** The decision of now; where an edit is refused, the one before stays in force (DECISIONS K-38). */
  #next({ namespace, storyRun }: RunKey, before: RunDecision | null): RunDecision | null {
    const decide = this.#decideOptions;
    const next = decideRun(this.#world, namespace, storyRun, decide);
    const good = before?.failure === null ? before.inputs : null;
    if (next === null || next.failure === null || good === null) return next;
    const kept = decideWith(this.#world, next.run, good, decide);
    return kept.failure === null ? { ...kept, lastFault: next.failure } : { ...before!, lastFault: next.failure };
  }

  #again(entry: RunEntry, delayMs: number): void {
    entry.again?.cancel();
    entry.again = this.#options.clock.after(delayMs, () => this.#mark(entry.key));
  }

  async #write(text: string, signal: AbortSignal): Promise<void> {
    const entry = this.#runs.get(text);
    if (entry === undefined) return;
    const { namespace, storyRun } = entry.key;
    const { cluster, clock } = this.#options;
    const { patience } = entry;
    patience.rest();
    const run = this.#world.get("StoryRun", namespace, storyRun);
    // Before anything else is looked at, for a run must be able to go (control-plane K-39, C-068).
    if (run !== undefined && this.#leads()) await release(cluster, run, signal);
    if (entry.decision === null) {
      await perform(cluster, reconcileGone(this.#world, namespace, storyRun), this.#leads, signal);
      if (this.#world.get("StoryRun", namespace, storyRun) === undefined) this.#runs.delete(text);
      return;
    }
    const decision = { ...entry.decision, run: run ?? entry.decision.run };
    const wasAlone = patience.alone;
    const standing = patience.look(this.#world, decision);
    if (standing.alone !== wasAlone && decision.inputs !== null && isPerStory(decision.inputs.story)) {
      // The names of what we make are others.
      return this.#mark(entry.key);
    }
    if (!this.#leads()) return;
    const now = timeText(clock.nowMs());
    const { stale, nextMs } = entry.heartbeats.look(this.#world.bindingsOfRun(namespace, storyRun));
    const { writes, events, isSaid, isPending } = reconcile(this.#world, decision, { now, stale, ...standing });
    this.#record(entry, events, isSaid);
    patience.wait(isPending, nextMs, () => this.#mark(entry.key));
    await perform(cluster, writes, this.#leads, signal);
  }

  /** Events are recorded when they become true, not as long as they are, nor again by the next process. */
  #record(entry: RunEntry, events: readonly ObjectEvent[], isSaid: boolean): void {
    const now = new Map(events.map((event) => [JSON.stringify(event), event]));
    const before = entry.events ?? (isSaid ? new Set(now.keys()) : new Set<string>());
    for (const [text, event] of now) if (!before.has(text)) this.#options.cluster.recordEvent(event);
    entry.events = new Set(now.keys());
  }
}

function keyOf({ namespace, storyRun }: RunKey): string {
  return `${namespace}/${storyRun}`;
}
