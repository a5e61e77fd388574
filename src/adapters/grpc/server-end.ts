/** How a server ends a gRPC stream: what was written, trailers, and then the client's side too. */
import type { ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import type { Clock, Timer } from "../../contract/runtime.ts";

/**
 * How long a peer may leave its side open after the status was sent. A reset that is asked for earlier overtakes
 * trailers that wait for the socket, and the peer never learns how its call ended.
 */
const lingerMs = 1000;

/** How long an ended stream may take to write what was sent before its end; its peer has perhaps stopped reading. */
const lastWriteMs = 10_000;

/** Headers of every response that goes on. */
export const responseHeaders = {
  ":status": 200,
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity",
} as const;

type Headers = Readonly<Record<string, string | string[]>>;

/** Ends a stream that has responded with `waitForTrailers`. */
export function endWithTrailers(stream: ServerHttp2Stream, trailers: Headers, clock: Clock): void {
  const close = closer(stream, clock);
  close(lastWriteMs);
  stream.once("wantTrailers", () => {
    stream.sendTrailers(trailers);
    close(lingerMs);
  });
  stream.end();
  stream.resume();
}

/** Ends a stream that has not responded: headers and status in one. */
export function endWithoutMessages(stream: ServerHttp2Stream, trailers: Headers, clock: Clock): void {
  stream.respond({ ...responseHeaders, ...trailers }, { endStream: true });
  stream.resume();
  closer(stream, clock)(lingerMs);
}

/** Ends what the peer leaves open, `delayMs` after the last call: NO_ERROR tells it to stop sending. */
function closer(stream: ServerHttp2Stream, clock: Clock): (delayMs: number) => void {
  let timer: Timer | null = null;
  stream.once("close", () => timer?.cancel());
  return (delayMs) => {
    timer?.cancel();
    timer = clock.after(delayMs, () => stream.close(constants.NGHTTP2_NO_ERROR));
  };
}
