/**
 * One client's watch on bindings: what it holds, what it was sent, what it rejected, and what is due next.
 * The model is incremental xDS for one kind of resource, with these rules:
 *
 * - one response is outstanding at most; what changes meanwhile coalesces, and only the newest version is sent after
 *   the acknowledgement;
 * - a nonce other than that of the outstanding response is ignored, as xDS has it: it answers what a later Subscribe
 *   has made void;
 * - a rejected version is not sent again until the binding has another one; the client keeps what it held before;
 * - a Subscribe replaces the selectors and tells all that the client holds; what it was sent before and does not tell
 *   is sent again where it is selected, and named as removed where it is not;
 * - a response is bounded in bindings and bytes; the rest follows as changes after its acknowledgement.
 *
 * Knows versions and keys; refuses to know connections and where bindings come from.
 */
import { TransportError } from "../contract/errors.ts";
import { type BindingSelector, checkedSelectors, selects } from "./selectors.ts";

/** What a subscription needs of a binding. */
export interface Versioned extends BindingSelector {
  /** namespace/name */
  readonly key: string;
  /** Digest of the content. */
  readonly version: string;
  /** Size of the encoded binding. */
  readonly bytes: number;
}

/** The bindings as they stand. */
export interface BindingSource<B extends Versioned> {
  get(key: string): B | undefined;
  /** Everything that any selector matches, each once. */
  select(selectors: readonly BindingSelector[]): Iterable<B>;
}

/** What a client is told in one response. */
export interface Delta<B> {
  readonly nonce: string;
  /** True for the first response to a subscription. */
  readonly snapshot: boolean;
  readonly bindings: readonly B[];
  /** Keys of bindings that are gone. */
  readonly removed: readonly string[];
}

export interface Rejection {
  /** namespace/name */
  readonly binding: string;
  readonly version: string;
  readonly reason: string;
  readonly message: string;
}

/** What a client said of one binding. */
export interface Verdict {
  readonly key: string;
  readonly version: string;
  /** Null: accepted. */
  readonly rejection: Rejection | null;
}

/** Bounds of a response and of a request. */
export const watchLimits = { responseBindings: 1_000, responseBytes: 1_048_576, heldVersions: 100_000 } as const;

// A client that was sent a binding and did not say whether it keeps it may hold any version of it.
const unsure = "";

/** State of a watch; one per client stream. */
export class Subscription<B extends Versioned> {
  readonly #source: BindingSource<B>;
  #selectors: readonly BindingSelector[] = [];
  #snapshotDue = false;
  #nonce = 0;
  // Versions that the client holds, by key.
  #held = new Map<string, string>();
  readonly #rejected = new Map<string, string>();
  // Keys that may differ from what the client holds.
  #dirty = new Set<string>();
  // Null as version: removed.
  #outstanding: { readonly nonce: string; readonly sent: ReadonlyMap<string, string | null> } | null = null;

  constructor(source: BindingSource<B>) {
    this.#source = source;
  }

  get selectors(): readonly BindingSelector[] {
    return this.#selectors;
  }

  /**
   * Starts or replaces the subscription. `held` are versions by namespace/name. Returns the held ones that are current,
   * which count as accepted. Throws `InvalidRequest` for selectors or held versions beyond their limits.
   */
  subscribe(selectors: readonly BindingSelector[], held: Readonly<Record<string, string>>): readonly Verdict[] {
    const checked = checkedSelectors(selectors);
    const told = Object.entries(held);
    if (told.length > watchLimits.heldVersions) {
      throw new TransportError(
        "InvalidRequest",
        `held_versions: ${told.length} of at most ${watchLimits.heldVersions}`,
      );
    }
    // First of all: a source that is brought up to date by being asked may tell of changes on the way.
    const selected = [...this.#source.select(checked)];
    const before = [...this.#held.keys(), ...this.#outstanding?.sent.keys() ?? []];
    this.#held = new Map([...before.map((key) => [key, unsure] as const), ...told]);
    this.#outstanding = null;
    this.#selectors = checked;
    this.#snapshotDue = true;
    this.#dirty = new Set(this.#held.keys());
    const current: Verdict[] = [];
    for (const { key, version } of selected) {
      if (held[key] === version) current.push({ key, version, rejection: null });
      this.#dirty.add(key);
    }
    return current;
  }

  /** Takes note that a binding may have changed or be gone. */
  touch(key: string): void {
    this.#dirty.add(key);
  }

  /** The client accepts all of a response. Returns what it accepted; nothing for a nonce that is void. */
  ack(nonce: string): readonly Verdict[] {
    return this.nack(nonce, []);
  }

  /**
   * The client rejects some bindings of a response and accepts the others. Throws `InvalidRequest` for a rejection of
   * what the response did not hold.
   */
  nack(nonce: string, rejections: readonly Rejection[]): readonly Verdict[] {
    const outstanding = this.#outstanding;
    if (outstanding === null || outstanding.nonce !== nonce) return [];
    const rejected = new Map(rejections.map((rejection) => [rejection.binding, rejection]));
    for (const { binding, version } of rejected.values()) {
      const sent = outstanding.sent.get(binding);
      if (sent === undefined || sent === null || (version !== "" && version !== sent)) {
        const what = version === "" ? `"${binding}"` : `"${binding}" version "${version}"`;
        throw new TransportError("InvalidRequest", `rejections: ${what} is not in the response with nonce "${nonce}"`);
      }
    }
    this.#outstanding = null;
    const verdicts: Verdict[] = [];
    for (const [key, version] of outstanding.sent) {
      const rejection = rejected.get(key) ?? null;
      if (version === null) {
        this.#held.delete(key);
        this.#rejected.delete(key);
      } else if (rejection === null) {
        this.#held.set(key, version);
        this.#rejected.delete(key);
      } else {
        this.#rejected.set(key, version);
      }
      if (version !== null) {
        verdicts.push({ key, version, rejection: rejection === null ? null : { ...rejection, version } });
      }
    }
    return verdicts;
  }

  /** Accepts the outstanding response on behalf of a client that answers nothing. */
  acceptAll(): void {
    if (this.#outstanding !== null) this.ack(this.#outstanding.nonce);
  }

  /** True while a response waits for its acknowledgement. */
  get waiting(): boolean {
    return this.#outstanding !== null;
  }

  /**
   * The response that is due now, which from then on is outstanding; null where there is nothing to say or an
   * acknowledgement is awaited. The first one after a Subscribe comes even if it is empty.
   */
  next(): Delta<B> | null {
    if (this.#outstanding !== null || (!this.#snapshotDue && this.#dirty.size === 0)) return null;
    const bindings: B[] = [];
    const removed: string[] = [];
    const sent = new Map<string, string | null>();
    let bytes = 0;
    for (const key of this.#dirty) {
      if (sent.size >= watchLimits.responseBindings || bytes >= watchLimits.responseBytes) break;
      const binding = this.#source.get(key);
      if (binding === undefined || !selects(this.#selectors, binding)) {
        if (this.#held.has(key)) {
          removed.push(key);
          sent.set(key, null);
        } else {
          this.#rejected.delete(key);
        }
      } else if (this.#isNews(binding)) {
        if (bytes > 0 && bytes + binding.bytes > watchLimits.responseBytes) break;
        bytes += binding.bytes;
        bindings.push(binding);
        sent.set(key, binding.version);
      }
      this.#dirty.delete(key);
    }
    const snapshot = this.#snapshotDue;
    if (sent.size === 0 && !snapshot) return null;
    this.#snapshotDue = false;
    const nonce = String(++this.#nonce);
    this.#outstanding = { nonce, sent };
    return { nonce, snapshot, bindings, removed };
  }

  #isNews({ key, version }: B): boolean {
    return this.#held.get(key) !== version && this.#rejected.get(key) !== version;
  }
}
