/** A cleartext HTTP/2 server around a ConnectRouter, for tests that talk to a service over a real connection. */
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { endWithResponse } from "../../src/adapters/http/half-open.ts";
import { within } from "./deadline.ts";

export interface RpcServer extends AsyncDisposable {
  readonly url: string;
  /** Ends all calls as a stopping program does. */
  stop(reason: unknown): void;
}

/** Takes a stream over from the Connect adapter; answers false for one that it leaves there. */
export type TakeStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean;

/** Serves `routes` on a free loopback port until it is disposed. */
export async function serveRpc(
  routes: (router: ConnectRouter) => void,
  takeStream: TakeStream = () => false,
): Promise<RpcServer> {
  const stopping = new AbortController();
  const inner = createServer(connectNodeAdapter({ routes, shutdownSignal: stopping.signal, acceptCompression: [] }));
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream, headers, ...rest) => {
    if (takeStream(stream, headers)) return;
    endWithResponse(stream, 50);
    inner.emit("stream", stream, headers, ...rest);
  });
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    // A client that is gone is no fault of the server.
    session.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: (reason) => stopping.abort(reason),
    async [Symbol.asyncDispose]() {
      // Not destroy(), and calls that clients gave up just now end by themselves first: Deno 2.9 crashes when both ends
      // of a stream in one process end it at once.
      for (const session of sessions) session.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const late = setTimeout(() => stopping.abort(new ConnectError("the server stops", Code.Unavailable)), 200);
      await within(2_000, "end of the sessions", closed);
      clearTimeout(late);
    },
  };
}

/** The next message of a stream within 5 s; fails where the stream ends instead. */
export async function next<T>(what: string, stream: AsyncIterator<T>): Promise<T> {
  const result = await within(5_000, what, stream.next());
  if (result.done) throw new Error(`${what}: the stream ended`);
  return result.value;
}
