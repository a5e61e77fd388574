/**
 * What the hub asks of a stream, whoever frames it (our gRPC framing, or the Connect adapter for its protocols).
 * The hub calls in; the adapter calls the session. Neither waits for the other.
 */
import type { TransportError } from "../contract/errors.ts";
import type { Packet } from "../delivery/packet.ts";

export interface StreamPort {
  /** Whether another packet may be written now. The adapter calls `Session.writable` when it becomes true again. */
  readonly writable: boolean;
  /** Adds a ProcessResponse with the packet's body and `suffix` to the batch that `flush` sends. */
  write(packet: Packet, suffix: Uint8Array): void;
  /** Adds an encoded ProcessResponse, outside of flow control (heartbeats). */
  writeEncoded(response: Uint8Array): void;
  /** Sends what was written since the last flush. */
  flush(): void;
  /** Reading may go on after `Session.receive` answered false. */
  resume(): void;
  /** Ends the RPC: with status OK after what was written is out (null), or with the error's status. Idempotent. */
  end(error: TransportError | null): void;
}
