/**
 * The hub: which steps have streams, which runs it holds, and the work that time does (heartbeats, expiry, drain).
 * Knows sessions and plans; refuses to know how a stream is framed, where plans come from, and Kubernetes.
 */
import type { Clock, Log, Timer } from "../contract/runtime.ts";
import type { EdgeCount, Traffic } from "../contract/traffic.ts";
import { TransportError } from "../contract/errors.ts";
import { ByteBudget } from "../delivery/outbox.ts";
import type { Normalize } from "./normalize.ts";
import type { Holder, PlanSource } from "./plans.ts";
import type { StreamPort } from "./port.ts";
import type { CapabilitiesMode, Registration } from "./registration.ts";
import { RunState } from "./run.ts";
import { type HubCounters, Session, type SessionHost } from "./session.ts";
import { heartbeatResponse } from "./suffix.ts";
import { type EdgeTotal, Totals } from "./totals.ts";

/** Limits of a hub process; defaults in `contract/config.ts`. */
export interface HubLimits {
  /** Active streams (`BUBU_HUB_MAX_ACTIVE_STREAMS`). */
  readonly maxStreams: number;
  /** Buffers that hold something at once (`BUBU_HUB_MAX_BUFFERS`). */
  readonly maxBuffers: number;
  /** Bytes that all buffers share. */
  readonly maxBufferedBytes: number;
  /** How long a buffer without a stream lives (`BUBU_HUB_BUFFER_EVICTION_TTL`). */
  readonly bufferTtlMs: number;
  /** How long a full downstream may hold its senders. */
  readonly stallLimitMs: number;
  /** `BUBU_GRPC_HEARTBEAT_INTERVAL`. */
  readonly heartbeatMs: number;
  /** How often idle buffers and expired packets are looked for (`BUBU_HUB_BUFFER_EVICTION_INTERVAL`). */
  readonly sweepMs: number;
}

export interface HubDeps {
  readonly plans: PlanSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: HubLimits;
  readonly normalize: Normalize;
}

/** Facts of a hub for metrics; edges are per run. */
export interface HubFacts {
  readonly counters: Readonly<HubCounters>;
  readonly activeStreams: number;
  readonly refusedStreams: number;
  readonly heartbeatsSent: number;
  readonly bufferedBytes: number;
  readonly capabilities: Readonly<Record<CapabilitiesMode, number>>;
  readonly edges: readonly EdgeTotal[];
}

export class Hub implements Traffic {
  readonly #deps: HubDeps;
  readonly #host: SessionHost;
  readonly #budget: ByteBudget;
  readonly #runs = new Map<string, RunState>();
  readonly #sessions = new Set<Session>();
  readonly #counters: HubCounters = { packets: 0, heartbeats: 0, unrouted: 0 };
  readonly #capabilities: Record<CapabilitiesMode, number> = { missing: 0, invalid: 0, required: 0, none: 0 };
  readonly #ended = new Totals();
  #limits: HubLimits;
  #timers: readonly Timer[] = [];
  readonly #unsubscribe: () => void;
  #refused = 0;
  #heartbeatsSent = 0;
  #isDraining = false;

  constructor(deps: HubDeps) {
    this.#deps = deps;
    this.#limits = deps.limits;
    this.#budget = new ByteBudget(deps.limits.maxBufferedBytes, deps.limits.maxBuffers);
    this.#host = {
      clock: deps.clock,
      stallLimitMs: deps.limits.stallLimitMs,
      normalize: deps.normalize,
      counters: this.#counters,
      ended: (session, error) => this.#forget(session, error),
    };
    this.#unsubscribe = deps.plans.subscribe((namespace, storyRun) => this.#replan(namespace, storyRun));
    this.#startTimers();
  }

  /** Obeys other limits from now on; of bytes the share that it was made with stays. */
  setLimits(limits: Omit<HubLimits, "maxBufferedBytes">): void {
    this.#limits = { ...this.#limits, ...limits };
    this.#budget.maxHolders = limits.maxBuffers;
    this.#host.stallLimitMs = limits.stallLimitMs;
    if (!this.#isDraining) this.#startTimers();
  }

  #startTimers(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [
      this.#deps.clock.every(this.#limits.heartbeatMs, () => this.heartbeat()),
      this.#deps.clock.every(this.#limits.sweepMs, () => this.sweep()),
    ];
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /**
   * Registers a stream whose metadata was parsed, and takes over from an older one of the same step.
   * Call `Session.writable` once the response headers are out. Throws `HubDraining`, `StaleGeneration`,
   * `TooManyStreams`, `Unavailable` naming the hub that holds the run where that is another one, or why the run's Story is refused; nothing is changed then.
   */
  open(registration: Registration, port: StreamPort): Session {
    const { namespace, storyRun, generation } = registration;
    this.#capabilities[registration.capabilities]++;
    if (this.#isDraining) throw new TransportError("HubDraining", "the hub is stopping", registration);
    const holder = this.#deps.plans.holder?.(namespace, storyRun) ?? "here";
    if (holder !== "here") throw notHere(registration, holder);
    const run = this.#run(namespace, storyRun);
    if (run.plan?.refusal) throw run.plan.refusal;
    const name = run.stepId(registration.step);
    const known = run.findStep(name);
    if (known !== undefined && generation < known.generation) {
      this.#release(run);
      const text = `connector-generation ${generation} of step "${registration.step}" of ${namespace}/${storyRun} is ` +
        `stale: generation ${known.generation} has connected`;
      throw new TransportError("StaleGeneration", text, registration);
    }
    if (!known?.session && this.#sessions.size >= this.#limits.maxStreams) {
      this.#refused++;
      this.#release(run);
      throw new TransportError("TooManyStreams", "hub max active streams reached", registration);
    }
    const step = run.step(name, this.#deps.clock.monotonicMs());
    const session = new Session(registration, port, run, step, this.#host);
    const replaced = step.session;
    step.attach(session);
    this.#sessions.add(session);
    if (replaced !== null) {
      const text = `superseded by a stream of connector-generation ${generation}`;
      this.close(replaced, new TransportError("Superseded", text, registration));
    }
    this.#deps.log.info("stream opened", { namespace, storyRun, step: registration.step, generation });
    return session;
  }

  /** Ends a session and forgets it. Idempotent. */
  close(session: Session, error: TransportError | null): void {
    session.end(error);
  }

  edges(namespace: string, storyRun: string): readonly EdgeCount[] {
    return this.#runs.get(keyOf(namespace, storyRun))?.edges() ?? [];
  }

  connected(namespace: string, storyRun: string, step: string): boolean {
    const run = this.#runs.get(keyOf(namespace, storyRun));
    return run?.findStep(run.stepId(step))?.session != null;
  }

  facts(): HubFacts {
    return {
      counters: this.#counters,
      activeStreams: this.#sessions.size,
      refusedStreams: this.#refused,
      heartbeatsSent: this.#heartbeatsSent,
      bufferedBytes: this.#budget.used,
      capabilities: this.#capabilities,
      edges: this.#totals(),
    };
  }

  /** Sends every active stream that takes it a heartbeat, outside of flow control (data-plane D-017). */
  heartbeat(): void {
    for (const session of this.#sessions) {
      if (!session.port.writable) continue;
      session.port.writeEncoded(heartbeatResponse);
      session.port.flush();
      this.#heartbeatsSent++;
    }
  }

  /** Drops what is too old, and what waits for steps that were away too long. */
  sweep(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const run of this.#runs.values()) {
      for (const step of run.steps) {
        step.expire(nowMs);
        const isAway = step.session === null && nowMs - step.lastActiveMs > this.#limits.bufferTtlMs;
        if (isAway && step.outbox.messages > 0) step.outbox.clear("evicted");
      }
    }
  }

  /**
   * Stops: new streams are refused, senders are no longer read, what waits for connected steps goes out for at most `limitMs`, then every stream
   * ends with `HubDraining` so that its connector finds another hub. What is left is counted as dropped (`shutdown`).
   */
  async drain(limitMs: number): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (const timer of this.#timers) timer.cancel();
    for (const session of this.#sessions) session.stopReading();
    const until = this.#deps.clock.monotonicMs() + limitMs;
    while (this.#hasUndelivered() && this.#deps.clock.monotonicMs() < until) {
      await new Promise<void>((resolve) => this.#deps.clock.after(10, resolve));
    }
    for (const session of [...this.#sessions]) {
      this.close(session, new TransportError("HubDraining", "the hub is stopping", session.registration));
    }
    this.#unsubscribe();
    for (const run of this.#runs.values()) run.clear("shutdown");
  }

  #forget(session: Session, error: TransportError | null): void {
    this.#sessions.delete(session);
    session.run.prune(session.step);
    this.#release(session.run);
    const { namespace, storyRun, step, generation } = session.registration;
    this.#deps.log.info("stream closed", { namespace, storyRun, step, generation, reason: error?.reason });
  }

  #totals(): readonly EdgeTotal[] {
    const totals = this.#ended.copy();
    for (const run of this.#runs.values()) totals.add(run.namespace, run.story, run.edges(), false);
    return totals.rows();
  }

  #hasUndelivered(): boolean {
    for (const session of this.#sessions) {
      if (session.step.outbox.messages > 0 || !session.port.writable) return true;
    }
    return false;
  }

  #run(namespace: string, storyRun: string): RunState {
    const key = keyOf(namespace, storyRun);
    let run = this.#runs.get(key);
    if (run === undefined) {
      run = new RunState(namespace, storyRun, this.#budget);
      this.#runs.set(key, run);
      run.applyPlan(this.#deps.plans.plan(namespace, storyRun), this.#deps.clock.monotonicMs());
    }
    return run;
  }

  #replan(namespace: string, storyRun: string): void {
    const run = this.#runs.get(keyOf(namespace, storyRun));
    if (run === undefined) return;
    const holder = this.#deps.plans.holder?.(namespace, storyRun) ?? "here";
    if (typeof holder === "object") {
      // one that stops delivers what it can: its runs are moved because it does
      if (!this.#isDraining) this.#leave(run, holder);
      return;
    }
    const plan = this.#deps.plans.plan(namespace, storyRun);
    run.applyPlan(plan, this.#deps.clock.monotonicMs());
    for (const session of [...this.#sessions]) {
      // an edit gave the step another id, or took one away: the stream stands for a step that it did not mean
      if (session.run !== run || run.stepId(session.registration.step) === session.step.name) continue;
      const text = `step "${session.registration.step}" of ${namespace}/${storyRun} has another id now: connect again`;
      this.close(session, new TransportError("Unavailable", text, session.registration));
    }
    for (const step of [...run.steps]) run.prune(step);
    if (plan === null) {
      for (const step of run.steps) {
        if (step.session === null) continue;
        const text = `StoryRun ${namespace}/${storyRun} is over`;
        this.close(step.session, new TransportError("Unavailable", text, step.session.registration));
      }
    }
    this.#release(run);
  }

  /** The run is moved away: its streams end so that their connectors follow it, and what waited is counted as moved. */
  #leave(run: RunState, holder: Holder): void {
    run.leave();
    for (const session of [...this.#sessions]) {
      if (session.run === run) this.close(session, notHere(session.registration, holder));
    }
    run.leave();
    run.applyPlan(null, this.#deps.clock.monotonicMs());
    for (const step of [...run.steps]) run.prune(step);
    this.#release(run);
  }

  #release(run: RunState): void {
    if (!run.isIdle() || !this.#runs.delete(keyOf(run.namespace, run.storyRun))) return;
    run.clear("step_removed");
    this.#ended.add(run.namespace, run.story, run.edges(), true);
  }
}

function notHere(registration: Registration, holder: Holder): TransportError {
  const { namespace, storyRun } = registration;
  const where = typeof holder === "object" ? `is held by ${holder.owner}` : "has no hub that is known here";
  return new TransportError("Unavailable", `StoryRun ${namespace}/${storyRun} ${where}`, registration);
}

function keyOf(namespace: string, storyRun: string): string {
  return `${namespace}/${storyRun}`;
}
