/**
 * Who of several replicas writes: the one that holds a lease and renews it in time.
 * Knows the rules of a lease; refuses to know where it is kept (`adapters/cluster/kube/lease-store.ts`).
 *
 * No clock of another machine is trusted: a holder is taken for gone when its record has not changed for the length of
 * the lease on this process's own clock, whatever times the record bears (as client-go does it). A holder stops being
 * one `renewMs` after the beginning of its last renewal, also when its process stood still or its renewal hangs.
 */
import type { Clock, Log, Timer } from "../contract/runtime.ts";

/** The record of a lease. */
export interface Lease {
  /** Empty: released. */
  readonly holder: string;
  readonly leaseSeconds: number;
  /** Milliseconds since the epoch on the holder's clock, for people to read. */
  readonly acquiredMs: number;
  readonly renewedMs: number;
  /** How often the holder changed. */
  readonly transitions: number;
  /** What `write` compares; empty: there is no record yet. */
  readonly version: string;
}

export interface LeaseStore {
  /** Null where there is no record. */
  read(signal: AbortSignal): Promise<Lease | null>;
  /** Puts the record in the place of the version that it names; null: someone else was first. */
  write(lease: Lease, signal: AbortSignal): Promise<Lease | null>;
}

export interface LeaderOptions {
  readonly store: LeaseStore;
  /** Differs between replicas and between starts of one. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a holder that is not heard of counts. Default 15 s; a whole number of seconds. */
  readonly leaseMs?: number;
  /** How long the holder goes on without a renewal; less than `leaseMs`. Default 10 s. */
  readonly renewMs?: number;
  /** Time between attempts. Default 2 s. */
  readonly retryMs?: number;
}

/** How long a release may take at the end. */
const releaseLimitMs = 2_000;

export class Leader {
  readonly #options: Required<LeaderOptions>;
  readonly #subscribers = new Set<(isLeader: boolean) => void>();
  #seen: { readonly lease: Lease | null; readonly atMs: number } | null = null;
  /** On the monotonic clock. */
  #leadsUntilMs = 0;
  #expiry: Timer | null = null;
  #said = false;
  #lastFault = "";

  constructor(options: LeaderOptions) {
    this.#options = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000, ...options };
  }

  /** Whether this process may write now. */
  get isLeader(): boolean {
    return this.#options.clock.monotonicMs() < this.#leadsUntilMs;
  }

  /** Who holds the lease as far as is known; empty: nobody. */
  get holder(): string {
    return this.#seen?.lease?.holder ?? "";
  }

  /** Calls `changed` after it became leader or ceased to be. Returns how to stop. */
  subscribe(changed: (isLeader: boolean) => void): () => void {
    this.#subscribers.add(changed);
    return () => void this.#subscribers.delete(changed);
  }

  /** Tries to hold the lease until the signal fires, then releases it. Failures of the store are waited out. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, retryMs } = this.#options;
    try {
      while (!signal.aborted) {
        await this.#attempt(signal);
        await sleep(clock, retryMs, signal);
      }
    } finally {
      const held = this.isLeader;
      this.#leadsUntilMs = 0;
      this.#tell();
      if (held) await this.#release();
    }
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    const { clock, log, renewMs, retryMs } = this.#options;
    const leftMs = this.isLeader ? this.#leadsUntilMs - clock.monotonicMs() : renewMs;
    const limit = limited(clock, Math.max(leftMs, retryMs), signal);
    try {
      await this.#acquireOrRenew(limit.signal);
      this.#lastFault = "";
    } catch (error) {
      const text = String(error);
      // said once, not at each attempt
      if (!signal.aborted && text !== this.#lastFault) log.warn("lease cannot be renewed or acquired", { error: text });
      this.#lastFault = text;
      // what is known may be out of date now: the next attempt reads it
      if (this.#seen !== null && this.holder === this.#options.identity) this.#forgetVersion();
    } finally {
      limit.cancel();
      this.#tell();
    }
  }

  async #acquireOrRenew(signal: AbortSignal): Promise<void> {
    const { store, identity, clock, leaseMs, renewMs } = this.#options;
    let lease = this.#seen?.lease ?? null;
    // the holder knows its own record and need not read it
    if (!this.isLeader || lease === null || lease.version === "") {
      lease = await store.read(signal);
      this.#see(lease);
    }
    const isOurs = lease?.holder === identity;
    if (lease !== null && lease.holder !== "" && !isOurs && !this.#isExpired()) return;
    const startMs = clock.monotonicMs();
    const nowMs = clock.nowMs();
    const wanted: Lease = {
      holder: identity,
      leaseSeconds: Math.ceil(leaseMs / 1000),
      acquiredMs: isOurs ? lease!.acquiredMs : nowMs,
      renewedMs: nowMs,
      transitions: (lease?.transitions ?? 0) + (lease === null || isOurs ? 0 : 1),
      version: lease?.version ?? "",
    };
    const written = await store.write(wanted, signal);
    if (written === null) {
      this.#leadsUntilMs = 0;
      this.#see(await store.read(signal));
      return;
    }
    this.#see(written);
    this.#leadsUntilMs = startMs + renewMs;
    this.#expiry?.cancel();
    this.#expiry = clock.after(this.#leadsUntilMs - clock.monotonicMs(), () => this.#tell());
  }

  #see(lease: Lease | null): void {
    const known = this.#seen?.lease ?? null;
    const isSame = this.#seen !== null && known?.holder === lease?.holder && known?.renewedMs === lease?.renewedMs &&
      known?.transitions === lease?.transitions && known?.leaseSeconds === lease?.leaseSeconds;
    this.#seen = { lease, atMs: isSame ? this.#seen!.atMs : this.#options.clock.monotonicMs() };
  }

  #forgetVersion(): void {
    const { lease, atMs } = this.#seen!;
    this.#seen = { lease: lease === null ? null : { ...lease, version: "" }, atMs };
  }

  #isExpired(): boolean {
    const { lease, atMs } = this.#seen!;
    return this.#options.clock.monotonicMs() >= atMs + (lease?.leaseSeconds ?? 0) * 1000;
  }

  async #release(): Promise<void> {
    const { store, identity, clock, log } = this.#options;
    const limit = limited(clock, releaseLimitMs, new AbortController().signal);
    try {
      const lease = await store.read(limit.signal);
      if (lease?.holder !== identity) return;
      await store.write({ ...lease, holder: "", leaseSeconds: 1, renewedMs: clock.nowMs() }, limit.signal);
    } catch (error) {
      // the others wait for the length of the lease
      log.warn("lease could not be released", { error: String(error) });
    } finally {
      limit.cancel();
    }
  }

  #tell(): void {
    const { isLeader } = this;
    if (isLeader === this.#said) return;
    this.#said = isLeader;
    if (!isLeader) this.#expiry?.cancel();
    const { log, identity } = this.#options;
    if (isLeader) log.info("leads", { identity });
    else log.info("leads no more", { identity, holder: this.holder });
    for (const changed of [...this.#subscribers]) changed(isLeader);
  }
}

/** A signal that fires with `signal` or after `limitMs`. */
function limited(clock: Clock, limitMs: number, signal: AbortSignal) {
  const limit = new AbortController();
  const timer = clock.after(limitMs, () => limit.abort(new Error(`no answer within ${Math.round(limitMs)} ms`)));
  return { signal: AbortSignal.any([signal, limit.signal]), cancel: () => timer.cancel() };
}

/** Settles after `ms`, or when the signal fires. */
function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(ms, done);
    signal.addEventListener("abort", done);
  });
}
