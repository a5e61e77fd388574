/**
 * What a channel and a listener of ours are told. Their addresses are texts: `host:port`, `[::1]:port`, or
 * `unix:/path` (`unix:///path` is the same), as in BindingInfo.
 *
 *     new GrpcChannel(options)   .connect(signal?)  .stream(path, options, events)  .unary(path, bytes, options)  .close()
 *     await listenMethods(options)   → { address, renew(tls), close(limitMs) }
 */
import type { Clock, Log } from "../../contract/runtime.ts";
import type { Methods } from "./call.ts";

/** PEM texts for TLS 1.3 with certificates on both sides (data-plane D-018). */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface ChannelTls extends TlsFiles {
  /** Name that the server's certificate must bear; default: the host of the address. */
  readonly serverName?: string | undefined;
}

export interface Keepalive {
  /** A ping after this long without anything received; also while there is no call. */
  readonly timeMs: number;
  /** The connection is lost when its answer takes longer. */
  readonly timeoutMs: number;
}

export interface ChannelOptions {
  readonly address: string;
  /** Null: cleartext with prior knowledge. */
  readonly tls: ChannelTls | null;
  readonly clock: Clock;
  /** `:authority` of calls; default: the server name, else the address, else `localhost`. */
  readonly authority?: string | undefined;
  /** How long a connection may take until the server's SETTINGS are there. Default 10 s (data-plane 6.2). */
  readonly dialTimeoutMs?: number | undefined;
  /** Largest message that is taken, in bytes. Default 10485760 (data-plane 2.5). */
  readonly maxReceiveBytes?: number | undefined;
  /** Default: no pings. */
  readonly keepalive?: Keepalive | null | undefined;
  /** Called once for each connection that had stood and is gone, also after `close`. */
  readonly onLost?: (() => void) | undefined;
}

export interface ListenOptions {
  /** Port 0 takes a free one. */
  readonly address: string;
  /** Null: cleartext with prior knowledge. */
  readonly tls: TlsFiles | null;
  readonly methods: Methods;
  readonly clock: Clock;
  readonly log: Log;
  /** Default 10485760 (data-plane 2.5). */
  readonly maxReceiveBytes?: number | undefined;
}
