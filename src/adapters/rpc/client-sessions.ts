/** HTTP/2 connections of a connect-node client, made safe for Deno. */
import type { ClientHttp2Session, ClientSessionOptions, SecureClientSessionOptions } from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";

type GoawayListener = (...args: unknown[]) => void;

/**
 * In MB. Node's own limit of 10 counts what has yet to be sent, and ends every stream of a connection on which a packet
 * of the largest size waits.
 */
const maxSessionMemory = 1000;

/**
 * A session manager for `baseUrl` that takes a server's GOAWAY in a turn of its own.
 * Connect destroys the session from within the event, and Deno 2.9 then reads freed memory: a client without open
 * calls crashed (assertion in nghttp2, or a segmentation fault) whenever its server stopped gracefully.
 */
export function clientSessions(
  baseUrl: string,
  options?: ClientSessionOptions | SecureClientSessionOptions,
): Http2SessionManager {
  const manager = new Http2SessionManager(baseUrl, undefined, { maxSessionMemory, ...options });
  const request = manager.request.bind(manager);
  const known = new WeakSet<ClientHttp2Session>();
  manager.request = async (...args) => {
    const stream = await request(...args);
    const session = stream.session as ClientHttp2Session | undefined;
    if (session !== undefined && !known.has(session)) {
      known.add(session);
      deferGoaway(session);
    }
    return stream;
  };
  return manager;
}

function deferGoaway(session: ClientHttp2Session): void {
  for (const listener of session.listeners("goaway") as GoawayListener[]) {
    session.off("goaway", listener);
    session.on("goaway", (...args: unknown[]) => setImmediate(() => listener(...args)));
  }
}
