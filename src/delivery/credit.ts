/**
 * Credits of a receiver: how many messages and bytes it still takes (data-plane 4.5).
 * Never more than the initial grant (DECISIONS W-28), however much a peer hands back.
 */
import type { Limit } from "../routing/plan.ts";

export class Credit {
  #grant: Limit | null;
  #messages: number;
  #bytes: number;

  /** `grant` null admits everything (flow control `none`). */
  constructor(grant: Limit | null) {
    this.#grant = grant;
    this.#messages = grant?.maxMessages ?? 0;
    this.#bytes = grant?.maxBytes ?? 0;
  }

  /**
   * Whether a packet of `size` bytes may be sent. A packet larger than the whole grant of bytes passes when the
   * grant is untouched, since no acknowledgement could ever make room for it.
   */
  admits(size: number): boolean {
    if (this.#grant === null) return true;
    if (this.#messages <= 0) return false;
    return size <= this.#bytes || this.#bytes >= this.#grant.maxBytes;
  }

  spend(size: number): void {
    if (this.#grant === null) return;
    this.#messages--;
    this.#bytes -= size;
  }

  give(messages: number, bytes: number): void {
    if (this.#grant === null) return;
    this.#messages = Math.min(this.#messages + messages, this.#grant.maxMessages);
    this.#bytes = Math.min(this.#bytes + bytes, this.#grant.maxBytes);
  }

  /** Starts over: a new stream of the receiver has the whole grant, and so has a new policy. */
  reset(grant: Limit | null): void {
    this.#grant = grant;
    this.#messages = grant?.maxMessages ?? 0;
    this.#bytes = grant?.maxBytes ?? 0;
  }
}
