/** A proxy in front of kube-apiserver that does to each request what a function says. Clients come with a token. */
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bed } from "./bed.ts";

export interface Fault {
  /** Waits so many milliseconds first. */
  readonly delayMs?: number;
  /** Answers with this status; the API server never sees the request. */
  readonly status?: number;
  /** Headers of that answer, for example `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The request is done, and its answer never comes. */
  readonly lose?: boolean;
  /** Drops the connection after so many bytes of the answer. */
  readonly cut?: number;
  /** A line put after the first line of the answer: an event into a watch. */
  readonly insert?: string;
}

export interface FaultProxy extends AsyncDisposable {
  readonly server: string;
}

/** Starts it; `decide` is asked once for each request. */
export async function faultProxy(
  bed: Bed,
  decide: (request: { readonly method: string; readonly url: string }) => Fault | undefined,
): Promise<FaultProxy> {
  const { certificate, key } = await bed.certificate("proxy");
  const agent = new Agent({ ca: readFileSync(bed.ca), keepAlive: true });
  const proxy = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (incoming, outgoing) => {
    void handle(incoming, outgoing);
  });
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method = "GET", url = "/", headers } = incoming;
    const fault = decide({ method, url }) ?? {};
    if (fault.delayMs !== undefined) await sleep(fault.delayMs);
    if (fault.status !== undefined) return refuse(outgoing, fault.status, fault.headers);
    const forward = request(bed.server + url, { agent, method, headers }, (answer) => {
      if (fault.lose === true) return outgoing.destroy();
      const { "content-length": length, ...rest } = answer.headers;
      const isWhole = fault.insert === undefined && length !== undefined;
      outgoing.writeHead(answer.statusCode ?? 500, isWhole ? { ...rest, "content-length": length } : rest);
      // as the API server does: a watch is open before its first event
      if (!isWhole) outgoing.flushHeaders();
      relay(answer, outgoing, fault);
    });
    forward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forward.destroy());
    incoming.pipe(forward);
  };
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    // listens on TCP
    server: `https://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => proxy.close(resolve));
      proxy.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

function refuse(outgoing: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  outgoing.writeHead(status, { "content-type": "application/json", ...headers });
  const body = { kind: "Status", apiVersion: "v1", status: "Failure", message: "injected", code: status };
  outgoing.end(JSON.stringify(body));
}

function relay(answer: IncomingMessage, outgoing: ServerResponse, { cut = Infinity, insert }: Fault): void {
  let sent = 0;
  let line = insert;
  answer.on("data", (chunk: Uint8Array) => {
    const piece = chunk.subarray(0, cut - sent);
    sent += piece.length;
    const end = line === undefined ? 0 : piece.indexOf(10) + 1;
    if (end > 0) {
      outgoing.write(piece.subarray(0, end));
      outgoing.write(`${line}\n`);
      line = undefined;
    }
    outgoing.write(piece.subarray(end), () => void (sent >= cut && outgoing.destroy()));
  });
  answer.on("end", () => outgoing.end());
  answer.on("error", () => outgoing.destroy());
}
