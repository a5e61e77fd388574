/** Metrics on a port of their own: HTTPS for those who may (control-plane 8.3), or HTTP in the open. */
import { readFile } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo } from "node:net";
import { isTransportError, TransportError } from "../../contract/errors.ts";
import type { Clock, Log } from "../../contract/runtime.ts";
import type { Metrics } from "../metrics.ts";

export interface MetricsPortOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly metrics: Metrics;
  /** Null: HTTP, for everybody. */
  readonly secure: {
    /** Files; what is put in their place is used within half a minute. */
    readonly cert: string;
    readonly key: string;
    /** Whether the bearer of a token may read metrics. */
    mayRead(token: string, signal: AbortSignal): Promise<boolean>;
  } | null;
  readonly clock: Clock;
  readonly log: Log;
}

const renewalMs = 30_000;
const accessLimitMs = 10_000;

/** Listens. Throws `PortInUse` or `InvalidConfiguration`. */
export async function listenMetrics(options: MetricsPortOptions): Promise<{ address: string; close(): Promise<void> }> {
  const { secure, clock, log } = options;
  const answering: http.RequestListener = (request, response) => {
    answer(request, options).then(([status, type, body]) => {
      response.writeHead(status, { "content-type": type });
      response.end(request.method === "HEAD" ? "" : body);
    });
  };
  const files = secure === null ? null : await readPair(secure);
  const server = files === null ? http.createServer(answering) : https.createServer(files, answering);
  let last = JSON.stringify(files);
  const renewal = secure === null ? null : clock.every(renewalMs, () => {
    readPair(secure).then((pair) => {
      if (JSON.stringify(pair) === last) return;
      last = JSON.stringify(pair);
      (server as https.Server).setSecureContext(pair); // there are files, so it is one
      log.info("certificate of the metrics port is replaced");
    }).catch((error: unknown) => log.warn("certificate of the metrics port cannot be read", { error: String(error) }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === "EADDRINUSE";
      const where = `${options.host}:${options.port}`;
      const text = isTaken ? `address ${where} is in use` : `cannot listen on ${where}: ${cause.message}`;
      renewal?.cancel();
      reject(new TransportError(isTaken ? "PortInUse" : "InvalidConfiguration", text, {}, { cause }));
    });
    server.listen(options.port, options.host, resolve);
  });
  // from here on an error of the listener ends the process (DECISIONS K-40)
  server.removeAllListeners("error");
  return {
    address: `${options.host}:${(server.address() as AddressInfo).port}`, // it listens on a port
    close: () =>
      new Promise((resolve) => {
        renewal?.cancel();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readPair({ cert, key }: { readonly cert: string; readonly key: string }) {
  const read = (path: string) =>
    readFile(path, "utf8").catch((error: unknown) => {
      const text = `certificate of the metrics port: ${path} cannot be read: ${
        error instanceof Error ? error.message : error
      }`;
      throw new TransportError("InvalidConfiguration", text);
    });
  return { cert: await read(cert), key: await read(key) };
}

async function answer(
  request: http.IncomingMessage,
  { metrics, secure }: MetricsPortOptions,
): Promise<[status: number, type: string, body: string]> {
  const text = "text/plain; charset=utf-8";
  if (request.url?.split("?")[0] !== "/metrics") return [404, text, "not found; there is /metrics\n"];
  try {
    if (secure !== null) {
      const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "") ?? [];
      if (token === undefined) return [401, text, "a ServiceAccount token is needed\n"];
      const signal = AbortSignal.timeout(accessLimitMs);
      if (!await secure.mayRead(token, signal)) return [403, text, "this token may not get /metrics\n"];
    }
    return [200, metrics.contentType, await metrics.render()];
  } catch (error) {
    if (isTransportError(error)) return [503, text, `${error.reason}\n`];
    return [500, text, "metrics cannot be rendered\n"];
  }
}
