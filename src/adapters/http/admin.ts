/** The HTTP/1.1 port: `/healthz`, `/readyz`, `/metrics` (control-plane O-32, C-103). */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { isTransportError, TransportError } from "../../contract/errors.ts";
import type { Metrics } from "../metrics.ts";

export interface AdminOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Takes a free port where `port` is in use. Default: that is an error. */
  readonly elseFree?: boolean;
  /** What is not ready yet, in words; empty when all is. */
  readonly missing: () => readonly string[];
  /** Null: they are served on a port of their own. */
  readonly metrics: Metrics | null;
}

export interface AdminServer {
  readonly address: string;
  close(): Promise<void>;
}

/** Listens. Throws `PortInUse` naming the address. */
export async function listenAdmin(options: AdminOptions): Promise<AdminServer> {
  const server = http.createServer((request, response) => {
    answer(request.url ?? "/", options).then(([status, type, body]) => {
      response.writeHead(status, { "content-type": type });
      response.end(request.method === "HEAD" ? "" : body);
    });
  });
  await listen(server, options.host, options.port).catch((error: unknown) => {
    if (options.elseFree && isTransportError(error, "PortInUse")) return listen(server, options.host, 0);
    throw error;
  });
  return {
    address: `${options.host}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: http.Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const where = `${host}:${port}`;
      const isTaken = error.code === "EADDRINUSE";
      const text = isTaken ? `address ${where} is in use` : `cannot listen on ${where}: ${error.message}`;
      reject(new TransportError(isTaken ? "PortInUse" : "InvalidConfiguration", text, {}, { cause: error }));
    };
    server.once("error", failed);
    server.listen(port, host, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

async function answer(url: string, options: AdminOptions): Promise<[number, string, string]> {
  const text = "text/plain; charset=utf-8";
  switch (url.split("?")[0]) {
    case "/healthz":
      return [200, text, "ok\n"];
    case "/readyz": {
      const missing = options.missing();
      return missing.length === 0 ? [200, text, "ok\n"] : [503, text, `${missing.join("\n")}\n`];
    }
    case "/metrics":
      if (options.metrics === null) return [404, text, "metrics have a port of their own, or none\n"];
      try {
        return [200, options.metrics.contentType, await options.metrics.render()];
      } catch (error) {
        return [500, text, `${error instanceof Error ? error.message : error}\n`];
      }
    default:
      return [404, text, "not found; there are /healthz, /readyz and /metrics\n"];
  }
}
