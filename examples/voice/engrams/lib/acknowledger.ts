/** Acknowledgements to one sender, gathered as the binding's settings ask (`flowControl.ackEvery`). */
import type { DataPacket } from "../../../../gen/transport/v1/hub_pb.ts";
import { packetBytes } from "../../../../src/adapters/rpc/step-stream.ts";

export class Acknowledger {
  readonly #grant: (messages: number, bytes: number) => void;
  readonly #every: number;
  readonly #maxDelayMs: number;
  #messages = 0;
  #bytes = 0;
  #open = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #idle: (() => void) | null = null;

  constructor(effectiveSettings: string, grant: (messages: number, bytes: number) => void) {
    const { flowControl } = JSON.parse(effectiveSettings || "{}") as {
      flowControl?: { ackEvery?: { messages?: number; maxDelay?: string } };
    };
    this.#grant = grant;
    this.#every = flowControl?.ackEvery?.messages ?? 1;
    // Only whole milliseconds are understood here; the default is 250ms.
    this.#maxDelayMs = Number(/^(\d+)ms$/.exec(flowControl?.ackEvery?.maxDelay ?? "")?.[1] ?? 250);
  }

  /** Takes note of a packet that came in; call what it answers once the packet is handled. */
  received(packet: DataPacket): () => void {
    this.#open++;
    return () => {
      this.#open--;
      this.#messages++;
      this.#bytes += packetBytes(packet);
      if (this.#messages >= this.#every) this.flush();
      else this.#timer ??= setTimeout(() => this.flush(), this.#maxDelayMs);
      if (this.#open === 0) this.#idle?.();
    };
  }

  /** Acknowledges what is handled, now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#messages === 0) return;
    this.#grant(this.#messages, this.#bytes);
    this.#messages = 0;
    this.#bytes = 0;
  }

  /** Settles once every packet is handled. */
  async idle(): Promise<void> {
    while (this.#open > 0) await new Promise<void>((resolve) => this.#idle = resolve);
  }
}
