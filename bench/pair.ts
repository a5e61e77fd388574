/** A producer and a consumer of one run, connected to a subject, each over a connection of its own. */
import * as http2 from "node:http2";
import * as net from "node:net";
import type { Duplex } from "node:stream";
import { protocolVersion, requestHeaders } from "../src/contract/names.ts";
import type { Protocol } from "./job.ts";

/** HTTP/2 windows of all subjects and of the load generator (ARCHITECTURE.md 2). */
export const streamWindowBytes = 256 * 1024;
export const sessionWindowBytes = 1024 * 1024;

export const namespace = "bench";
export const steps = { producer: "producer", consumer: "consumer" } as const;
export type BenchStep = keyof typeof steps;

/** Name of run number `n`; number 0 carries the load. */
export function runName(n: number): string {
  return `bench-${n}`;
}

export interface Pair {
  readonly producer: Duplex;
  readonly consumer: Duplex;
  /** Settles never, unless a stream fails or the subject ends it: then it rejects. */
  readonly failed: Promise<never>;
  close(): void;
}

/** Opens both streams of run 0. */
export async function openPair(protocol: Protocol, port: number): Promise<Pair> {
  const connections = [await openConnection(protocol, port), await openConnection(protocol, port)] as const;
  let isClosing = false;
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => {});
  const onEnded = (step: BenchStep, why: string) => {
    if (!isClosing) reject(new Error(`${step} ended: ${why}`));
  };
  // the consumer first: not every relay keeps what comes before it
  const consumer = connections[1].open(0, "consumer", onEnded);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const producer = connections[0].open(0, "producer", onEnded);
  return {
    producer,
    consumer,
    failed,
    close() {
      isClosing = true;
      for (const connection of connections) connection.close();
    },
  };
}

export interface Connection {
  /** Opens the stream of a step of run number `run`; `onEnded` tells when the subject ends it. */
  open(run: number, step: BenchStep, onEnded: (step: BenchStep, why: string) => void): Duplex;
  close(): void;
}

/** Connects to a subject. Over TCP each stream is a connection. */
export function openConnection(protocol: Protocol, port: number): Promise<Connection> {
  return protocol === "grpc" ? openGrpc(port) : Promise.resolve(openTcp(port));
}

async function openGrpc(port: number): Promise<Connection> {
  const settings = { initialWindowSize: streamWindowBytes };
  const session = http2.connect(`http://127.0.0.1:${port}`, { settings });
  await new Promise<void>((resolve, reject) => {
    session.once("connect", () => resolve());
    session.once("error", reject);
  });
  session.on("error", () => {}); // every stream of it fails as well, and tells
  session.setLocalWindowSize(sessionWindowBytes);
  return {
    open(run, step, onEnded) {
      const stream = session.request({
        ":method": "POST",
        ":path": "/transport.v1.HubService/Process",
        "content-type": "application/grpc",
        te: "trailers",
        [requestHeaders.protocol]: protocolVersion,
        [requestHeaders.namespace]: namespace,
        [requestHeaders.storyRun]: runName(run),
        [requestHeaders.step]: steps[step],
        [requestHeaders.generation]: "1",
        [requestHeaders.capabilities]: "none",
      }, { endStream: false });
      let status = "no status";
      const read = (headers: http2.IncomingHttpHeaders) => {
        if (headers["grpc-status"] !== undefined) {
          status = `grpc-status ${headers["grpc-status"]} ${headers["grpc-message"] ?? ""}`;
        }
      };
      stream.on("response", read);
      stream.on("trailers", read);
      stream.on("error", (error) => onEnded(step, error.message));
      stream.on("close", () => onEnded(step, status));
      return stream;
    },
    close: () => session.destroy(),
  };
}

function openTcp(port: number): Connection {
  const sockets: net.Socket[] = [];
  return {
    open(run, step, onEnded) {
      const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
      socket.write(`${step} ${runName(run)}\n`);
      socket.on("error", (error) => onEnded(step, error.message));
      socket.on("close", () => onEnded(step, "closed"));
      sockets.push(socket);
      return socket;
    },
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}
