/** Streams whose server is done while their client could still send. */
import { constants, type ServerHttp2Stream } from "node:http2";
import { clearTimeout, setTimeout } from "node:timers";

/**
 * Ends the stream `graceMs` after its response is complete where the client has not ended its request by then. Without
 * it, a client that was refused in the middle of a stream and goes on sending keeps the stream for ever, and its
 * connection with it. The reset says that nothing is wrong (RFC 9113, 8.1); it is not sent at once, since a client on
 * Node that gets it before it has read the trailers reports a premature close instead of the status.
 */
export function endWithResponse(stream: ServerHttp2Stream, graceMs = 1_000): void {
  stream.once("finish", () => {
    if (stream.closed || stream.readableEnded) return;
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), graceMs);
    timer.unref();
    stream.once("close", () => clearTimeout(timer));
  });
}
