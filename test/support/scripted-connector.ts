/** The connector's side of an engram's streams, played by a test: it says what the test says and keeps what it hears. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  ControlAction,
  type ControlRequest,
  ControlRequestSchema,
  ControlResponseSchema,
  type DataRequest,
  DataRequestSchema,
  DataResponseSchema,
  TransportConnectorService,
} from "../../gen/transport/v1/transport_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import type { Metadata, Method, Outcome, ServerStream } from "../../src/adapters/grpc/call.ts";
import { decode, pathOf } from "../../src/adapters/grpc/codec.ts";
import { type Http2Port, listenMethods } from "../../src/adapters/grpc/listen.ts";
import { encodeBindingEnvelope } from "../../src/contract/binding-info.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { Signal } from "./deadline.ts";

/** One stream that the engram opened. */
export class ScriptedStream<Message> {
  readonly metadata: Metadata;
  readonly stream: ServerStream;
  readonly heard: Message[] = [];
  isHalfClosed = false;
  isClosed = false;
  /** Answered to HTTP/2: false stops the reading. */
  reads = true;

  constructor(stream: ServerStream) {
    this.stream = stream;
    this.metadata = stream.metadata;
  }

  say(bytes: Uint8Array): void {
    this.stream.write(bytes);
  }

  end(outcome: Outcome): void {
    this.stream.end(outcome);
  }
}

export class ScriptedConnector implements AsyncDisposable {
  readonly signal = new Signal();
  readonly data: ScriptedStream<DataRequest>[] = [];
  readonly control: ScriptedStream<ControlRequest>[] = [];
  /** Types of streams in the order in which they came. */
  readonly opened: ("Data" | "Control")[] = [];
  /** Whether each Control stream is greeted with `connector.ready`. */
  greets = true;
  #port: Http2Port | null = null;

  /** Listens on a loopback port; 0 takes a free one. */
  static async listen(port = 0): Promise<ScriptedConnector> {
    const connector = new ScriptedConnector();
    const { data, control } = TransportConnectorService.method;
    connector.#port = await listenMethods({
      address: `127.0.0.1:${port}`,
      tls: null,
      methods: {
        [pathOf(data)]: connector.#method("Data", connector.data, (b, s, e) => decode(DataRequestSchema, b, s, e)),
        [pathOf(control)]: connector.#method(
          "Control",
          connector.control,
          (b, s, e) => decode(ControlRequestSchema, b, s, e),
        ),
      },
      clock: systemClock,
      log: silentLog,
    });
    return connector;
  }

  get address(): string {
    return this.#port!.address;
  }

  /** The environment of an engram whose connector this is. */
  env(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const binding = {
      metadata: { name: "run-1-echo-binding", namespace: "default" },
      spec: { transportRef: "speech", driver: "bobravoz-grpc", connectorEndpoint: this.address },
    };
    return {
      BUBU_TRANSPORT_BINDING: encodeBindingEnvelope(binding),
      BUBU_POD_NAMESPACE: "default",
      BUBU_STORYRUN_ID: "run-1",
      BUBU_STEP_NAME: "echo",
      BUBU_GRPC_GRACEFUL_SHUTDOWN_TIMEOUT: "2s",
      ...more,
    };
  }

  sendData(message: MessageInitShape<typeof DataResponseSchema>): void {
    this.data.at(-1)!.say(toBinary(DataResponseSchema, create(DataResponseSchema, message)));
  }

  sendControl(message: MessageInitShape<typeof ControlResponseSchema>): void {
    const bytes = toBinary(ControlResponseSchema, create(ControlResponseSchema, message));
    this.control.at(-1)!.say(bytes);
  }

  until<T>(what: string, look: () => T | undefined | null | false, ms = 5_000): Promise<T> {
    return this.signal.until(what, look, ms);
  }

  async close(): Promise<void> {
    await this.#port!.close(100);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #method<Message>(
    name: "Data" | "Control",
    list: ScriptedStream<Message>[],
    read: (bytes: Uint8Array, start: number, end: number) => Message,
  ): Method {
    return {
      kind: "stream",
      open: (stream) => {
        const scripted = new ScriptedStream<Message>(stream);
        list.push(scripted);
        this.opened.push(name);
        stream.sendHeaders();
        if (name === "Control" && this.greets) {
          this.sendControl({
            action: ControlAction.CONNECTOR_READY,
            metadata: { "startup.capabilities": "none" },
          });
        }
        this.signal.notify();
        return {
          message: (bytes, start, end) => {
            scripted.heard.push(read(bytes, start, end));
            this.signal.notify();
            return scripted.reads;
          },
          halfClosed: () => {
            scripted.isHalfClosed = true;
            stream.end(null);
            this.signal.notify();
          },
          closed: () => {
            scripted.isClosed = true;
            this.signal.notify();
          },
        };
      },
    };
  }
}
