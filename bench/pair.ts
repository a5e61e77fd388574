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
export async function openPair(protocol: Protocol, port: number, consumerPort = port): Promise<Pair> {
  if (protocol === "direct") return await openDirect();
  const connections = [await openConnection(protocol, port), await openConnection(protocol, consumerPort)] as const;
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

/** The consumer serves the stream that the producer opens. */
async function openDirect(): Promise<Pair> {
  const settings = { initialWindowSize: streamWindowBytes };
  const server = http2.createServer({ settings });
  server.on("session", (session) => session.setLocalWindowSize(sessionWindowBytes));
  const accepted = new Promise<http2.ServerHttp2Stream>((resolve) => server.once("stream", resolve));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const connection = await openGrpc((server.address() as net.AddressInfo).port, (session, run, step) => {
    return request(session, processPath, identity(run, step));
  });
  const { promise: failed } = Promise.withResolvers<never>();
  const producer = connection.open(0, "producer", () => {});
  const consumer = await accepted;
  consumer.respond({ ":status": 200, "content-type": "application/grpc" });
  return {
    producer,
    consumer,
    failed,
    close() {
      connection.close();
      server.close();
    },
  };
}

/** Connects to a subject. Over TCP each stream is a connection. */
export function openConnection(protocol: Protocol, port: number): Promise<Connection> {
  switch (protocol) {
    case "grpc":
      return openGrpc(port, (session, run, step) => request(session, processPath, identity(run, step)));
    case "engram":
      return openGrpc(port, openEngram);
    case "direct":
      throw new Error("a direct pair has no subject to connect to");
    case "tcp":
      return Promise.resolve(openTcp(port));
    default:
      throw new Error(`no such protocol: ${protocol satisfies never}`);
  }
}

const processPath = "/transport.v1.HubService/Process";
const connectorPath = "/transport.v1.TransportConnectorService";

function identity(run: number, step: BenchStep): http2.OutgoingHttpHeaders {
  return {
    [requestHeaders.namespace]: namespace,
    [requestHeaders.storyRun]: runName(run),
    [requestHeaders.step]: steps[step],
    [requestHeaders.generation]: "1",
    [requestHeaders.capabilities]: "none",
  };
}

/** Data first, then Control, as the SDKs open them (data-plane 6.10). What Control says is not looked at. */
function openEngram(session: http2.ClientHttp2Session): http2.ClientHttp2Stream {
  const data = request(session, `${connectorPath}/Data`, {});
  const control = request(session, `${connectorPath}/Control`, { [requestHeaders.binding]: `${namespace}/bench` });
  control.on("error", () => {}); // the Data stream of the session fails as well, and tells
  control.resume();
  return data;
}

function request(
  session: http2.ClientHttp2Session,
  path: string,
  headers: http2.OutgoingHttpHeaders,
): http2.ClientHttp2Stream {
  return session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    [requestHeaders.protocol]: protocolVersion,
    ...headers,
  }, { endStream: false });
}

type OpenStream = (session: http2.ClientHttp2Session, run: number, step: BenchStep) => http2.ClientHttp2Stream;

async function openGrpc(port: number, openStream: OpenStream): Promise<Connection> {
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
      const stream = openStream(session, run, step);
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
