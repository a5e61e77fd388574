/**
 * The seam for transports: how a connector reaches a hub or a peer, and how peers reach it. A driver carries encoded
 * messages of `transport.v1.HubService.Process` both ways and knows nothing of what is in them.
 *
 * A new transport is one implementation of `Driver`, one line in the table of `adapters/drivers/`, and the suite in
 * `test/connector/driver-suite.ts`.
 */
import type { TransportError } from "../contract/errors.ts";

/** Request metadata: names in lower case. */
export type Headers = Readonly<Record<string, string>>;

/** Where to. */
export interface Target {
  /** `host:port`, or what else the driver understands. */
  readonly address: string;
  /** Name that the other end must prove to bear; empty: the host of the address. */
  readonly serverName: string;
  /** A hub, which is shown who we are beyond our certificate. Default: a peer, which is not. */
  readonly isHub?: boolean;
}

/** One Process stream, as either end sees it. No call throws; what is written after the end is dropped. */
export interface Link {
  /** Whether another message may be written now; `LinkEvents.writable` tells when it is true again. */
  readonly writable: boolean;
  /** Adds a message, in parts that are not joined, to the batch of this turn. The bytes belong to the link. */
  write(parts: readonly Uint8Array[]): void;
  /** Sends the batch. */
  flush(): void;
  /** Reading goes on after `message` answered false; never from inside of this call. */
  resume(): void;
}

/** The end that opened the stream. */
export interface ClientLink extends Link {
  /** No more messages from here; what was written goes out first. Idempotent. */
  halfClose(): void;
  /** Gives the stream up at once; `end` follows. Idempotent. */
  cancel(): void;
}

/** The end that took the stream. */
export interface ServerLink extends Link {
  /** Ends the stream after what was written: with OK (null) or an error. Idempotent. */
  end(error: TransportError | null): void;
}

export interface LinkEvents {
  /** One message at `bytes[start, end)`, which may be kept. Answers false to stop reading until `resume`. */
  message(bytes: Uint8Array, start: number, end: number): boolean;
  /** Everything that arrived together was given. */
  endOfChunk(): void;
  /** `writable` has become true again. */
  writable(): void;
}

export interface ClientLinkEvents extends LinkEvents {
  /** The stream is on its way: a connection stands. */
  connected(): void;
  /** The other end has accepted the stream. It may come late: a Go hub says so with its first message. */
  accepted(): void;
  /**
   * The stream is over; once, last. Null: the other end closed it with OK. `isFinal`: another attempt would end the
   * same way (PermissionDenied, InvalidArgument, Unimplemented: data-plane 6.8).
   */
  end(error: TransportError | null, isFinal: boolean): void;
}

export interface ServerLinkEvents extends LinkEvents {
  /** The other end sends no more. */
  halfClosed(): void;
  /** The stream is gone; once, last. */
  closed(): void;
}

/** Takes a stream of a peer, or throws a `TransportError` that refuses it. */
export type Accept = (headers: Headers, link: ServerLink) => ServerLinkEvents;

export interface PeerListener {
  /** Where peers reach it: `host:port` as bound. */
  readonly address: string;
  /** The certificates that the driver was made with were replaced: connections from now on get the new ones. */
  renewed?(): void;
  close(limitMs: number): Promise<void>;
}

export interface Driver {
  /**
   * Opens a Process stream. Failures come as `end`: `Unavailable` where nothing answers, else what the other end said.
   * `limitMs` bounds the dial, not the stream.
   */
  open(target: Target, headers: Headers, limitMs: number, events: ClientLinkEvents): ClientLink;
  /** Takes streams of peers at `address`. Throws `PortInUse` or `InvalidConfiguration` naming it. */
  listen(address: string, accept: Accept): Promise<PeerListener>;
  /** Gives up every connection that it dialled. Idempotent. */
  close(): Promise<void>;
}
