/** The driver of hubs and peers that speak gRPC: `HubService.Process` on our own framing. */
import type { Clock, Log } from "../../contract/runtime.ts";
import { HubService } from "../../../gen/transport/v1/hub_pb.ts";
import { TransportError } from "../../contract/errors.ts";
import { isLoopback } from "../../contract/loopback.ts";
import type {
  Accept,
  ClientLink,
  ClientLinkEvents,
  Driver,
  Headers,
  PeerListener,
  Target,
} from "../../connector/driver.ts";
import type { ClientStream } from "../grpc/call.ts";
import { GrpcChannel, toTransportError } from "../grpc/channel.ts";
import { pathOf } from "../grpc/codec.ts";
import { grpcCodes } from "../grpc/codes.ts";
import { listenMethods } from "../grpc/listen.ts";
import type { Keepalive, TlsFiles } from "../grpc/options.ts";
import { serveLinks } from "../connector/links.ts";

export interface GrpcDriverOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** For addresses that are not loopback; null: such an address is refused. Read anew for each connection. */
  readonly tls: TlsFiles | null;
  readonly maxReceiveBytes: number;
  readonly keepalive?: Keepalive | null;
  /** The token of this pod, read anew for each stream to the hub; null: there is none. Default: none. */
  readonly token?: () => string | null;
}

export const processPath = pathOf(HubService.method.process);

/** Refusals that another attempt cannot mend (data-plane 6.8). */
const finalCodes: ReadonlySet<number> = new Set([
  grpcCodes.PermissionDenied,
  grpcCodes.InvalidArgument,
  grpcCodes.Unimplemented,
]);

export class GrpcDriver implements Driver {
  readonly #options: GrpcDriverOptions;
  readonly #channels = new Set<GrpcChannel>();

  constructor(options: GrpcDriverOptions) {
    this.#options = options;
  }

  open(target: Target, headers: Headers, limitMs: number, events: ClientLinkEvents): ClientLink {
    const { clock, tls, maxReceiveBytes, keepalive, token } = this.#options;
    const isLocal = isLoopback(hostOf(target.address));
    if (!isLocal && tls === null) {
      const text = `${target.address} is not loopback and needs client certificates`;
      queueMicrotask(() => events.end(new TransportError("InvalidConfiguration", text), true));
      return closedLink;
    }
    const channel = new GrpcChannel({
      address: target.address,
      tls: isLocal || tls === null ? null : { ...tls, serverName: target.serverName || undefined },
      clock,
      dialTimeoutMs: limitMs,
      maxReceiveBytes,
      keepalive: keepalive ?? null,
    });
    this.#channels.add(channel);
    const link = new ChannelLink();
    const end = (error: TransportError | null, isFinal: boolean) => {
      this.#channels.delete(channel);
      void channel.close();
      events.end(error, isFinal);
    };
    channel.connect().then(() => {
      if (link.isCancelled) return end(new TransportError("Aborted", "the stream was given up"), false);
      // never in cleartext, and never to a peer, which could be the step with it
      const shown = isLocal || target.isHub !== true ? null : token?.() ?? null;
      const metadata = shown === null ? headers : { ...headers, authorization: `Bearer ${shown}` };
      link.attach(channel.stream(processPath, { metadata }, {
        headers: () => events.accepted(),
        message: (bytes, start, end) => events.message(bytes, start, end),
        endOfChunk: () => events.endOfChunk(),
        writable: () => events.writable(),
        end: (status) =>
          status.code === grpcCodes.Ok ? end(null, false) : end(toTransportError(status), finalCodes.has(status.code)),
      }));
      events.connected();
    }, (error: TransportError) => end(error, false));
    return link;
  }

  async listen(address: string, accept: Accept): Promise<PeerListener> {
    const { clock, log, tls, maxReceiveBytes } = this.#options;
    const port = await listenMethods({
      address,
      tls: isLoopback(hostOf(address)) ? null : tls,
      methods: { [processPath]: serveLinks(accept) },
      clock,
      log,
      maxReceiveBytes,
    });
    return {
      address: port.address,
      renewed: () => {
        if (this.#options.tls !== null) port.renew(this.#options.tls);
      },
      close: (limitMs) => port.close(limitMs),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#channels].map((channel) => channel.close()));
  }
}

/** The host of an address; a socket's path as it is. */
export function hostOf(address: string): string {
  return address.startsWith("unix:") ? address : address.slice(0, address.lastIndexOf(":"));
}

class ChannelLink implements ClientLink {
  #stream: ClientStream | null = null;
  isCancelled = false;

  attach(stream: ClientStream): void {
    this.#stream = stream;
  }

  get writable(): boolean {
    return this.#stream?.writable ?? false;
  }

  write(parts: readonly Uint8Array[]): void {
    this.#stream?.writeParts(parts);
  }

  flush(): void {
    this.#stream?.flush();
  }

  resume(): void {
    this.#stream?.resume();
  }

  halfClose(): void {
    if (this.#stream === null) this.isCancelled = true;
    else this.#stream.halfClose();
  }

  cancel(): void {
    this.isCancelled = true;
    this.#stream?.cancel();
  }
}

const closedLink: ClientLink = {
  writable: false,
  write() {},
  flush() {},
  resume() {},
  halfClose() {},
  cancel() {},
};
