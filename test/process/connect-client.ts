/** connect-node as a client of Process: over gRPC, gRPC-Web and its own protocol. */
import { Code, ConnectError, type StreamResponse, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import {
  HubService,
  type ProcessRequestSchema,
  type ProcessResponse,
  type ProcessResponseSchema,
} from "../../gen/transport/v1/hub_pb.ts";
import { clientSessions } from "../../src/adapters/rpc/client-sessions.ts";
import { reasonOf } from "../../src/adapters/rpc/status.ts";
import type { Call, CallStatus, ClientKind, RequestInit } from "./client.ts";

const protocols = {
  grpc: createGrpcTransport,
  "compressed gRPC": (options: Parameters<typeof createGrpcTransport>[0]) =>
    createGrpcTransport({ ...options, sendCompression: compressionGzip, compressMinBytes: 64 }),
  "grpc-web": createGrpcWebTransport,
  connect: createConnectTransport,
};

/** The kind of client that speaks `protocol`. */
export function connectNode(protocol: keyof typeof protocols): ClientKind {
  return {
    name: `connect-node over ${protocol}`,
    connect(address, tls) {
      const baseUrl = `${tls === null ? "http" : "https"}://${address}`;
      const sessionManager = clientSessions(baseUrl, tls ?? undefined);
      const transport = protocols[protocol]({ baseUrl, sessionManager, httpVersion: "2" });
      const calls = new Set<Call>();
      return {
        call(headers, timeoutMs) {
          const call = new ConnectCall(transport, headers, timeoutMs);
          calls.add(call);
          return call;
        },
        close() {
          for (const call of calls) call.cancel();
          sessionManager.abort();
        },
      };
    },
  };
}

class ConnectCall implements Call {
  readonly #abort = new AbortController();
  readonly #requests = new Requests();
  readonly #response: Promise<StreamResponse<typeof ProcessRequestSchema, typeof ProcessResponseSchema>>;
  #messages: AsyncIterator<ProcessResponse> | null = null;

  constructor(transport: Transport, headers: Readonly<Record<string, string>>, timeoutMs: number | undefined) {
    this.#response = transport.stream(
      HubService.method.process,
      this.#abort.signal,
      timeoutMs,
      headers,
      this.#requests,
    );
    // whoever reads learns of it
    this.#response.catch(() => {});
  }

  send(request: RequestInit): Promise<void> {
    return this.#requests.push(request);
  }

  endSending(): void {
    this.#requests.end();
  }

  cancel(): void {
    this.#abort.abort(new ConnectError("given up", Code.Canceled));
    this.#requests.end();
  }

  async read(): Promise<ProcessResponse | CallStatus> {
    try {
      this.#messages ??= (await this.#response).message[Symbol.asyncIterator]();
      const result = await this.#messages.next();
      if (!result.done) return result.value;
      this.#requests.end();
      return { code: 0, message: "", reason: null };
    } catch (thrown) {
      this.#requests.end();
      const error = ConnectError.from(thrown);
      return { code: error.code, message: error.rawMessage, reason: reasonOf(error) };
    }
  }
}

/** Requests as the library pulls them; the sender of each learns when the next one is asked for. */
class Requests implements AsyncIterable<RequestInit> {
  readonly #waiting: { readonly request: RequestInit; readonly taken: () => void }[] = [];
  #isEnded = false;
  #wake: () => void = () => {};

  push(request: RequestInit): Promise<void> {
    if (this.#isEnded) return Promise.resolve();
    return new Promise((taken) => {
      this.#waiting.push({ request, taken });
      this.#wake();
    });
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RequestInit> {
    try {
      for (;;) {
        const next = this.#waiting.shift();
        if (next !== undefined) {
          yield next.request;
          next.taken();
        } else if (this.#isEnded) return;
        else await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      this.#isEnded = true;
      for (const { taken } of this.#waiting.splice(0)) taken();
    }
  }
}
