/** A hub, or a peer, played by a test: takes Process streams and says what the test says. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type DataPacket,
  type DataPacketSchema,
  type ProcessRequest,
  ProcessRequestSchema,
  ProcessResponseSchema,
} from "../../gen/transport/v1/hub_pb.ts";
import type { FlowControl, FlowControlSchema } from "../../gen/transport/v1/transport_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { processPath } from "../../src/adapters/drivers/grpc.ts";
import type { Outcome, ServerStream } from "../../src/adapters/grpc/call.ts";
import { type Http2Port, listenMethods } from "../../src/adapters/grpc/listen.ts";
import type { TlsFiles } from "../../src/adapters/grpc/options.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { eventually } from "./eventually.ts";

export class ScriptStream {
  readonly requests: ProcessRequest[] = [];
  isClosed = false;
  readonly #stream: ServerStream;

  constructor(stream: ServerStream) {
    this.#stream = stream;
  }

  header(name: string): string | undefined {
    return this.#stream.header(name);
  }

  get packets(): readonly DataPacket[] {
    return this.requests.flatMap(({ packet }) => packet === undefined ? [] : [packet]);
  }

  get flows(): readonly FlowControl[] {
    return this.requests.flatMap(({ flow }) => flow === undefined ? [] : [flow]);
  }

  /** Sums of all credits, and the last acknowledgement. */
  get credits(): { readonly messages: number; readonly bytes: number; readonly ack: number } {
    return {
      messages: this.flows.reduce((sum, flow) => sum + flow.creditsMessages, 0),
      bytes: this.flows.reduce((sum, flow) => sum + flow.creditsBytes, 0),
      ack: Number(this.flows.findLast((flow) => flow.ack > 0n)?.ack ?? 0n),
    };
  }

  send(packet: MessageInitShape<typeof DataPacketSchema>): void {
    this.#write({ packet });
  }

  flow(flow: MessageInitShape<typeof FlowControlSchema>): void {
    this.#write({ flow });
  }

  sendBytes(message: Uint8Array): void {
    this.#stream.write(message);
  }

  end(outcome: Outcome): void {
    this.#stream.end(outcome);
  }

  #write(message: MessageInitShape<typeof ProcessResponseSchema>): void {
    this.#stream.write(toBinary(ProcessResponseSchema, create(ProcessResponseSchema, message)));
  }
}

export class ScriptHub implements AsyncDisposable {
  readonly streams: ScriptStream[] = [];
  /** Answers whether a stream reads on. */
  reads: () => boolean = () => true;
  /** Refuses the next streams with it, where it is set. */
  refusal: NonNullable<Outcome> | null = null;
  /** Sends headers at once; false: as a Go hub, which waits for its first message. */
  sendsHeaders = true;
  #port: Http2Port | null = null;
  #address = "127.0.0.1:0";
  readonly #tls: TlsFiles | null;

  private constructor(tls: TlsFiles | null) {
    this.#tls = tls;
  }

  static async start(tls: TlsFiles | null = null): Promise<ScriptHub> {
    const hub = new ScriptHub(tls);
    await hub.listen();
    return hub;
  }

  get address(): string {
    return this.#address;
  }

  /** Listens, again at the same address after `away`. */
  async listen(): Promise<void> {
    this.#port = await listenMethods({
      address: this.#address,
      tls: this.#tls,
      clock: systemClock,
      log: silentLog,
      methods: {
        [processPath]: {
          kind: "stream",
          open: (stream) => {
            if (this.refusal !== null) {
              stream.end(this.refusal);
              return { message: () => true, halfClosed() {}, closed() {} };
            }
            const taken = new ScriptStream(stream);
            this.streams.push(taken);
            if (this.sendsHeaders) stream.sendHeaders();
            return {
              message: (bytes, start, end) => {
                taken.requests.push(fromBinary(ProcessRequestSchema, bytes.subarray(start, end)));
                return this.reads();
              },
              halfClosed: () => stream.end(null),
              closed: () => taken.isClosed = true,
            };
          },
        },
      },
    });
    this.#address = this.#port.address;
  }

  /** Goes away, with all its connections. */
  async away(): Promise<void> {
    await this.#port?.close(0);
    this.#port = null;
  }

  /** The stream that came as number `index`. */
  stream(index = 0): Promise<ScriptStream> {
    return eventually(`stream ${index} at the hub`, () => this.streams[index], 10_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.away();
  }
}
