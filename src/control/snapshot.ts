/**
 * Every binding of every run with its version, indexed for those who watch some of them.
 * Knows decisions as they change, one encoding of each binding and who watches what; refuses to know what a watcher
 * holds (`subscriptions.ts`).
 *
 *     decisions ──changed(run)──► dirty runs ──encode, digest──► entries ──topics──► watches
 *
 * A binding whose content is the same keeps its entry and its version, so that an edit touches only what it changes.
 */
import type { BindingDescription } from "../topology/binding.ts";
import type { Decisions } from "./decisions.ts";
import { type BindingSelector, selects, topicOf, topicsOf } from "./selectors.ts";
import type { BindingSource } from "./subscriptions.ts";
import { BindingEncoder, type VersionedBinding } from "./versioned-binding.ts";

/** How to stop or change a watch. */
export interface Watch {
  /** Replaces what is watched. */
  select(selectors: readonly BindingSelector[]): void;
  stop(): void;
}

export interface SnapshotOptions {
  /** Puts off `run` to a moment when the program may breathe. Default: the end of the present task. */
  schedule?(run: () => void): void;
  /** Bindings that are encoded before the program breathes. Default 256. */
  readonly batch?: number;
}

interface Watcher {
  topics: readonly string[];
  readonly changed: (keys: readonly string[]) => void;
}

// Steps of a run, by name.
type Run = ReadonlyMap<string, Entry>;
interface Entry {
  readonly description: BindingDescription;
  readonly binding: VersionedBinding;
}

export class BindingSnapshot implements BindingSource<VersionedBinding> {
  readonly #decisions: Decisions;
  readonly #schedule: (run: () => void) => void;
  readonly #batch: number;
  readonly #stop: () => void;
  readonly #runs = new Map<string, Run>();
  readonly #encoder = new BindingEncoder();
  readonly #byKey = new Map<string, VersionedBinding>();
  readonly #topics = new Map<string, Set<Watcher>>();
  readonly #waiters = new Map<string, Set<() => void>>();
  readonly #removed = new Set<(binding: VersionedBinding) => void>();
  // Runs whose decision changed, by key.
  readonly #dirty = new Map<string, readonly [namespace: string, storyRun: string]>();
  #scheduled = false;

  constructor(decisions: Decisions, options: SnapshotOptions = {}) {
    this.#decisions = decisions;
    this.#schedule = options.schedule ?? queueMicrotask;
    this.#batch = options.batch ?? 256;
    this.#stop = decisions.subscribe((namespace, storyRun) => this.#touch(namespace, storyRun));
    for (const { namespace, storyRun } of decisions.runs()) this.#touch(namespace, storyRun);
  }

  /** Settles once every run that was there at the start is decided; before, what is missing may only be late. */
  get synced(): Promise<void> {
    return this.#decisions.synced;
  }

  get(key: string): VersionedBinding | undefined {
    return this.#byKey.get(key);
  }

  /** The binding of a step, up to date with the decision on its run. */
  find({ namespace, storyRun, step }: BindingSelector): VersionedBinding | undefined {
    const run = runKey(namespace, storyRun);
    if (this.#dirty.has(run)) this.#settle(run);
    return this.#runs.get(run)?.get(step)?.binding;
  }

  *select(selectors: readonly BindingSelector[]): Iterable<VersionedBinding> {
    // Connectors name one run each: those need no walk over all the others.
    if (selectors.every(({ namespace, storyRun }) => namespace !== "" && storyRun !== "")) {
      const runs = new Set(selectors.map(({ namespace, storyRun }) => runKey(namespace, storyRun)));
      for (const run of runs) {
        if (this.#dirty.has(run)) this.#settle(run);
        for (const { binding } of this.#runs.get(run)?.values() ?? []) if (selects(selectors, binding)) yield binding;
      }
      return;
    }
    for (const run of [...this.#dirty.keys()]) this.#settle(run);
    for (const binding of this.#byKey.values()) if (selects(selectors, binding)) yield binding;
  }

  /** Calls `changed` with the keys of what is selected and has changed, appeared or gone, coalesced. */
  watch(selectors: readonly BindingSelector[], changed: (keys: readonly string[]) => void): Watch {
    const watcher: Watcher = { topics: [], changed };
    const leave = () => {
      for (const topic of watcher.topics) {
        const watchers = this.#topics.get(topic);
        watchers?.delete(watcher);
        if (watchers?.size === 0) this.#topics.delete(topic);
      }
    };
    const select = (selectors: readonly BindingSelector[]) => {
      leave();
      watcher.topics = [...new Set(selectors.map(topicOf))];
      for (const topic of watcher.topics) {
        const watchers = this.#topics.get(topic);
        if (watchers === undefined) this.#topics.set(topic, new Set([watcher]));
        else watchers.add(watcher);
      }
    };
    select(selectors);
    return { select, stop: leave };
  }

  /** Calls `changed` after any new decision on a run, whether or not a binding changed. Returns how to stop. */
  onRun(namespace: string, storyRun: string, changed: () => void): () => void {
    const run = runKey(namespace, storyRun);
    let waiters = this.#waiters.get(run);
    if (waiters === undefined) this.#waiters.set(run, waiters = new Set());
    waiters.add(changed);
    return () => {
      const waiters = this.#waiters.get(run);
      waiters?.delete(changed);
      if (waiters?.size === 0) this.#waiters.delete(run);
    };
  }

  /** Calls `removed` for each binding that is gone. Returns how to stop. */
  onRemoved(removed: (binding: VersionedBinding) => void): () => void {
    this.#removed.add(removed);
    return () => void this.#removed.delete(removed);
  }

  /** Follows the decisions no more. */
  close(): void {
    this.#stop();
    this.#dirty.clear();
  }

  #touch(namespace: string, storyRun: string): void {
    this.#dirty.set(runKey(namespace, storyRun), [namespace, storyRun]);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => this.#work());
  }

  #work(): void {
    this.#scheduled = false;
    let encoded = 0;
    const news = new Map<Watcher, string[]>();
    for (const run of this.#dirty.keys()) {
      if (encoded >= this.#batch) break;
      encoded += this.#update(run, news);
    }
    if (this.#dirty.size > 0) {
      this.#scheduled = true;
      this.#schedule(() => this.#work());
    }
    for (const [watcher, keys] of news) watcher.changed(keys);
  }

  /** Brings one run up to date now, and tells its watchers. */
  #settle(run: string): void {
    const news = new Map<Watcher, string[]>();
    this.#update(run, news);
    for (const [watcher, keys] of news) watcher.changed(keys);
  }

  /** Takes over the decision on a run and collects who is to be told what. Returns how many bindings it encoded. */
  #update(run: string, news: Map<Watcher, string[]>): number {
    const [namespace, storyRun] = this.#dirty.get(run)!;
    this.#dirty.delete(run);
    const before = this.#runs.get(run) ?? new Map<string, Entry>();
    const after = new Map<string, Entry>();
    let encoded = 0;
    for (const description of this.#decisions.get(namespace, storyRun)?.bindings ?? []) {
      const known = before.get(description.step);
      if (known?.description === description) {
        after.set(description.step, known);
        continue;
      }
      encoded += 1;
      const fresh = this.#encoder.encode(description);
      const same = known?.binding.key === fresh.key && known.binding.version === fresh.version;
      after.set(description.step, { description, binding: same ? known.binding : fresh });
    }
    for (const [step, { binding }] of before) {
      if (after.get(step)?.binding.key === binding.key) continue;
      if (this.#byKey.get(binding.key) === binding) this.#byKey.delete(binding.key);
      this.#collect(binding, news);
      for (const removed of this.#removed) removed(binding);
    }
    for (const [step, { binding }] of after) {
      if (before.get(step)?.binding === binding) continue;
      this.#byKey.set(binding.key, binding);
      this.#collect(binding, news);
    }
    if (after.size > 0) this.#runs.set(run, after);
    else this.#runs.delete(run);
    for (const waiter of [...this.#waiters.get(run) ?? []]) waiter();
    return encoded;
  }

  #collect(binding: VersionedBinding, news: Map<Watcher, string[]>): void {
    for (const topic of topicsOf(binding)) {
      for (const watcher of this.#topics.get(topic) ?? []) {
        const keys = news.get(watcher);
        if (keys === undefined) news.set(watcher, [binding.key]);
        else keys.push(binding.key);
      }
    }
  }
}

function runKey(namespace: string, storyRun: string): string {
  return `${namespace}/${storyRun}`;
}
