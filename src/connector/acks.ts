/**
 * What of one stream's packets the engram has, as its sender is told: acknowledgements of the highest contiguous
 * sequence (DECISIONS W-30), and credits (data-plane 6.7). One per stream to a hub or from a peer; it ends with it.
 *
 * Per stream id, and per partition where the order is kept per partition:
 *
 * ```
 *   acked     received, some with a receipt
 *   … 3 4 5 │ 6✓ 7  8✓ 9          acked = 5; a receipt for 6 moves it to 6, then one for 7 to 8
 * ```
 */
import type { Clock, Timer } from "../contract/runtime.ts";
import type { FlowUpdate } from "./flow.ts";

export interface AckPolicy {
  readonly ordering: "none" | "per_stream" | "per_partition";
  /** Flow mode `credits`, or a peer of ours, which counts by them. */
  readonly grantsCredits: boolean;
  /** Receipts, and bytes of them, after which they are told; 0: that one does not count. */
  readonly messages: number;
  readonly bytes: number;
  /** Told after this long in any case (DECISIONS W-31). */
  readonly maxDelayMs: number;
}

interface Sequence {
  acked: number;
  /** Received and without receipt: how often. */
  readonly open: Map<number, number>;
  /** With receipt, above `acked`. */
  readonly done: Set<number>;
  /** Nothing was acknowledged yet, so that a lower sequence may still come first. */
  isFresh: boolean;
  /** Something to be told, also without progress: a receipt for what was sent again. */
  isDirty: boolean;
}

/** A sequence that never came is not waited for longer than this: its sender dropped it, or it expired there. */
const gapMs = 30_000;

/** Bytes of credit by which receipts may fall behind what was sent before they are made up for. */
const maxOwedBytes = 1024 * 1024;

export class Acks {
  readonly #clock: Clock;
  readonly #tell: (update: FlowUpdate) => void;
  readonly #sequences = new Map<string, Sequence>();
  #policy: AckPolicy;
  /** Only the latest epoch of the stream is acknowledged (DECISIONS W-36 … W-38). */
  #streamId = "";
  #messages = 0;
  #bytes = 0;
  #pending = 0;
  #pendingBytes = 0;
  #hasTold = false;
  #timer: Timer | null = null;
  #gapTimer: Timer | null = null;
  /** Bytes that came in sequenced packets beyond what their receipts said: an engram gets structured ones smaller. */
  #owed = 0;

  /** `tell` sends what is due. */
  constructor(policy: AckPolicy, clock: Clock, tell: (update: FlowUpdate) => void) {
    this.#policy = policy;
    this.#clock = clock;
    this.#tell = tell;
  }

  applyPolicy(policy: AckPolicy): void {
    this.#policy = policy;
  }

  /** A sequenced packet of `size` bytes came in, on its way to the engram. */
  received(streamId: string, partition: string, sequence: number, size: number): void {
    this.#owed += size;
    if (streamId !== this.#streamId) {
      this.#streamId = streamId;
      this.#sequences.clear();
    }
    const key = this.#keyOf(partition);
    let state = this.#sequences.get(key);
    if (state === undefined) {
      state = { acked: sequence - 1, open: new Map(), done: new Set(), isFresh: true, isDirty: false };
      this.#sequences.set(key, state);
    } else if (state.isFresh && sequence <= state.acked) state.acked = sequence - 1;
    state.open.set(sequence, (state.open.get(sequence) ?? 0) + 1);
  }

  /** A packet without sequence was sent to the engram, or dropped on purpose: done. */
  done(size: number): void {
    this.#add(size);
  }

  /** The engram has a sequenced packet, or it was dropped on purpose. False where it is none of this stream's. */
  receipt(streamId: string, partition: string, sequence: number, size: number): boolean {
    if (streamId !== this.#streamId) return false;
    const state = this.#sequences.get(this.#keyOf(partition));
    const times = state?.open.get(sequence);
    if (state === undefined || times === undefined) return false;
    if (times > 1) state.open.set(sequence, times - 1);
    else state.open.delete(sequence);
    if (sequence > state.acked) state.done.add(sequence);
    else state.isDirty = true;
    while (state.done.delete(state.acked + 1)) {
      state.acked++;
      state.isFresh = false;
      state.isDirty = true;
    }
    this.#owed -= size;
    this.#makeUp();
    this.#watchGap();
    this.#add(size);
    return true;
  }

  /** Tells what is due by count; call once what arrived together was worked off. */
  flush(): void {
    const { messages, bytes } = this.#policy;
    if (this.#pending === 0) return;
    const isDue = !this.#hasTold || (messages > 0 && this.#pending >= messages) ||
      (bytes > 0 && this.#pendingBytes >= bytes);
    if (isDue) this.tell();
  }

  /** Tells everything. */
  tell(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#pending = this.#pendingBytes = 0;
    this.#hasTold = true;
    const byPartition = this.#policy.ordering === "per_partition";
    let ack = 0;
    const partitionAcks: [string, number][] = [];
    for (const [partition, state] of this.#sequences) {
      if (!state.isDirty) continue;
      state.isDirty = false;
      if (state.acked <= 0) continue;
      if (byPartition) partitionAcks.push([partition, state.acked]);
      else ack = Math.max(ack, state.acked);
    }
    partitionAcks.sort(([a], [b]) => a < b ? -1 : 1);
    const messages = this.#policy.grantsCredits ? this.#messages : 0;
    const bytes = this.#policy.grantsCredits ? this.#bytes : 0;
    this.#messages = this.#bytes = 0;
    if (ack > 0 || partitionAcks.length > 0 || messages > 0 || bytes > 0) {
      this.#tell({ ack, partitionAcks, messages, bytes });
    }
  }

  close(): void {
    this.#timer?.cancel();
    this.#gapTimer?.cancel();
    this.#timer = this.#gapTimer = null;
  }

  #add(size: number): void {
    this.#messages++;
    this.#bytes += size;
    this.#pending++;
    this.#pendingBytes += size;
    const { maxDelayMs } = this.#policy;
    this.#timer ??= this.#clock.after(maxDelayMs, () => {
      this.#timer = null;
      this.tell();
    });
  }

  /** Without it the sender's credit of bytes would shrink with each packet until it sends no more. */
  #makeUp(): void {
    if (this.#owed <= maxOwedBytes) return;
    for (const { open } of this.#sequences.values()) if (open.size > 0) return;
    this.#bytes += this.#owed;
    this.#owed = 0;
  }

  #watchGap(): void {
    if (this.#gapTimer !== null) return;
    for (const state of this.#sequences.values()) {
      if (!isGap(state)) continue;
      const before = state.acked;
      this.#gapTimer = this.#clock.after(gapMs, () => {
        this.#gapTimer = null;
        if (state.acked === before && isGap(state)) {
          state.acked = Math.min(...state.done) - 1;
          while (state.done.delete(state.acked + 1)) state.acked++;
          state.isFresh = false;
          state.isDirty = true;
          this.tell();
        }
        this.#watchGap();
      });
      return;
    }
  }

  #keyOf(partition: string): string {
    return this.#policy.ordering === "per_partition" ? partition : "";
  }
}

/** Whether the next sequence was never received, while later ones have their receipts. */
function isGap({ acked, open, done }: Sequence): boolean {
  return done.size > 0 && !open.has(acked + 1);
}
