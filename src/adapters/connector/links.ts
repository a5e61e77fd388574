/** Streams of a gRPC server as the connector sees them. */
import type { Headers, ServerLink, ServerLinkEvents } from "../../connector/driver.ts";
import type { Method, ServerStream } from "../grpc/call.ts";

/** A streaming method whose calls go to `accept`; what it throws becomes the status. Headers go out at once. */
export function serveLinks(accept: (headers: Headers, link: ServerLink) => ServerLinkEvents): Method {
  return {
    kind: "stream",
    open(stream) {
      const events = accept(headersOf(stream), new StreamLink(stream));
      stream.sendHeaders();
      return {
        message: (bytes, start, end) => events.message(bytes, start, end),
        endOfChunk: () => events.endOfChunk(),
        writable: () => events.writable(),
        halfClosed: () => events.halfClosed(),
        closed: () => events.closed(),
      };
    },
  };
}

function headersOf({ metadata }: ServerStream): Headers {
  return Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [name, typeof value === "string" ? value : value[0] ?? ""]),
  );
}

class StreamLink implements ServerLink {
  readonly #stream: ServerStream;

  constructor(stream: ServerStream) {
    this.#stream = stream;
  }

  get writable(): boolean {
    return this.#stream.writable;
  }

  write(parts: readonly Uint8Array[]): void {
    if (parts.length === 1) this.#stream.write(parts[0]!);
    else this.#stream.writeParts(parts);
  }

  flush(): void {
    this.#stream.flush();
  }

  resume(): void {
    this.#stream.resume();
  }

  end(error: Parameters<ServerLink["end"]>[0]): void {
    this.#stream.end(error);
  }
}
