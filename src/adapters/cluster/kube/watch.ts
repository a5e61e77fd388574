/**
 * One kind, listed and then watched with kubernetes-fluent-client until the signal fires. Its `Watch` lists at the start,
 * at every reconnect and every ten minutes; its events may run interleaved and its re-list may tell of deletions that
 * did not happen, so what comes of it passes `SeenObjects` first.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type GenericClass, K8s, WatchEvent } from "kubernetes-fluent-client";
import { type SeenEvent, type SeenObject, SeenObjects } from "./seen-objects.ts";

export interface WatchFilter {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly labels?: Readonly<Record<string, string>>;
  readonly fields?: Readonly<Record<string, string>>;
}

/** `synced` comes once, after the first list. */
export type KindEvent<T> = SeenEvent<T> | { readonly type: "synced" };

/** What happened to watches since their start. */
export interface WatchCounts {
  lists: number;
  connects: number;
  /** Connections after the first one. */
  reconnects: number;
  /** Lists that failed. */
  listErrors: number;
  /** Watches that the server refused, or that broke. */
  watchErrors: number;
  /** 410 Gone: the version was too old. */
  expired: number;
  /** Events that told nothing new. */
  stale: number;
}

export interface WatchOptions {
  /** Counts here what happens; several watches may share it. */
  readonly counts?: WatchCounts;
  /** Called with what went wrong, each time; the watch goes on. */
  readonly onTrouble?: (message: string) => void;
  /** Seconds between full lists. Default 600. */
  readonly relistSeconds?: number;
  /** Seconds without any event after which it connects anew, since the connection may be dead. Default 300. */
  readonly quietSeconds?: number;
}

/**
 * Failures in a row that the client's own retry (every 1–2 s) may have before we make pauses that grow, at first and
 * later: each try leaves two connections that stay open until the server ends them.
 */
const firstFailures = 4;
const laterFailures = 1;
const longestPauseMs = 30_000;

export function newWatchCounts(): WatchCounts {
  return { lists: 0, connects: 0, reconnects: 0, listErrors: 0, watchErrors: 0, expired: 0, stale: 0 };
}

/** Calls `onEvent` in order, never after the signal; settles when the signal fires. */
export async function watchKind<T extends GenericClass>(
  model: T,
  filter: WatchFilter,
  onEvent: (event: KindEvent<InstanceType<T>>) => void,
  signal: AbortSignal,
  options: WatchOptions = {},
): Promise<void> {
  const counts = options.counts ?? newWatchCounts();
  const seen = new SeenObjects<SeenObject>();
  const state = { isSynced: false, connects: 0 };
  for (let failures = 0; !signal.aborted;) {
    const connectsBefore = state.connects;
    const maxFailures = failures === 0 ? firstFailures : laterFailures;
    // what the model's objects are, only the caller knows
    const deliver = onEvent as (event: KindEvent<SeenObject>) => void;
    await watchOnce({ model, filter, options, counts, seen, state, onEvent: deliver, maxFailures, signal });
    if (signal.aborted) return;
    failures = state.connects > connectsBefore ? 0 : failures + 1;
    const pauseMs = Math.min(longestPauseMs, 1_000 * 2 ** failures) * (0.5 + Math.random() / 2);
    await sleep(pauseMs, undefined, { signal }).catch(() => {}); // the loop ends by its condition
  }
}

interface Watching {
  readonly model: GenericClass;
  readonly filter: WatchFilter;
  readonly options: WatchOptions;
  readonly counts: WatchCounts;
  readonly seen: SeenObjects<SeenObject>;
  readonly state: { isSynced: boolean; connects: number };
  readonly onEvent: (event: KindEvent<SeenObject>) => void;
  readonly maxFailures: number;
  readonly signal: AbortSignal;
}

/** One `Watcher` of the client, until the signal fires or it has failed too often in a row. */
function watchOnce(watching: Watching): Promise<void> {
  const { model, filter, options, counts, seen, state, onEvent, maxFailures, signal } = watching;
  // its last request fails when it is closed: that is no trouble
  let isOver = false;
  const deliver = (events: readonly SeenEvent<SeenObject>[]) => {
    for (const event of events) if (!signal.aborted) onEvent(event);
  };
  const trouble = (count: "listErrors" | "watchErrors", message: string) => {
    if (isOver) return;
    counts[count] += 1;
    options.onTrouble?.(message);
  };
  const query = K8s(model, filterOf(filter));
  const watcher = query.Watch((object: SeenObject, phase: string) => {
    if (signal.aborted) return;
    const staleBefore = seen.stale;
    if (phase === "DELETED") deliver(seen.remove(object));
    else if (phase === "ADDED" || phase === "MODIFIED") deliver(seen.upsert(object));
    else if (phase === "ERROR") {
      // other than 410, which the client handles: the server ends the watch after it
      trouble("watchErrors", `watch error: ${JSON.stringify(object)}`);
    }
    counts.stale += seen.stale - staleBefore;
  }, {
    resyncDelaySec: 1,
    relistIntervalSec: options.relistSeconds ?? 600,
    lastSeenLimitSeconds: options.quietSeconds ?? 300,
  });
  return new Promise((resolve) => {
    const end = () => {
      isOver = true;
      signal.removeEventListener("abort", end);
      watcher.close();
      resolve();
    };
    if (signal.aborted) return end();
    signal.addEventListener("abort", end, { once: true });
    let pages: SeenObject[] = [];
    watcher.events.on(WatchEvent.LIST, (list: List) => {
      pages = pages.concat(list.items ?? []);
      if (list.metadata?.continue) return;
      const uids = new Set(pages.map((object) => object.metadata?.uid ?? ""));
      pages = [];
      counts.lists += 1;
      // the client calls back for each object of the list right after this, one microtask each
      setImmediate(() => {
        deliver(seen.settle(uids, list.metadata?.resourceVersion ?? ""));
        if (state.isSynced || signal.aborted) return;
        state.isSynced = true;
        onEvent({ type: "synced" });
      });
    });
    watcher.events.on(WatchEvent.LIST_ERROR, (error: unknown) => {
      pages = [];
      trouble("listErrors", `list failed: ${messageOf(error)}`);
    });
    watcher.events.on(WatchEvent.CONNECT, () => {
      counts.connects += 1;
      if (state.connects++ > 0) counts.reconnects += 1;
    });
    for (const kind of [WatchEvent.WATCH_ERROR, WatchEvent.NETWORK_ERROR]) {
      watcher.events.on(kind, (error: unknown) => {
        trouble("watchErrors", `watch failed: ${messageOf(error)}`);
      });
    }
    watcher.events.on(WatchEvent.OLD_RESOURCE_VERSION, () => {
      counts.expired += 1;
      // the client would list at its next tick, unless another event came on the same stream: that makes it forget
      end();
    });
    watcher.events.on(WatchEvent.INC_RESYNC_FAILURE_COUNT, (failures: number) => {
      if (failures > maxFailures) end();
    });
    void watcher.start();
  });
}

interface List {
  readonly items?: SeenObject[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

function filterOf({ namespace, name, labels, fields }: WatchFilter): {
  namespace?: string;
  name?: string;
  labels?: Record<string, string>;
  fields?: Record<string, string>;
} {
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(labels === undefined ? {} : { labels: { ...labels } }),
    ...(fields === undefined ? {} : { fields: { ...fields } }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
