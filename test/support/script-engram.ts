/** An engram as its SDK connects it, played by a test: Data first, then Control, and whatever the test says. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  ControlAction,
  type ControlRequest,
  ControlRequestSchema,
  type ControlResponse,
  ControlResponseSchema,
  DataRequestSchema,
  type DataResponse,
  DataResponseSchema,
  TransportConnectorService,
} from "../../gen/transport/v1/transport_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import type { CallStatus, ClientStream, Metadata } from "../../src/adapters/grpc/call.ts";
import { GrpcChannel } from "../../src/adapters/grpc/channel.ts";
import { pathOf } from "../../src/adapters/grpc/codec.ts";
import { eventually } from "./eventually.ts";

const protocol = { "bubu-transport-protocol": "1.0.0" };

export class ScriptEngram implements AsyncDisposable {
  readonly data: DataResponse[] = [];
  /** In the order of arrival, as encoded. */
  readonly dataBytes: Uint8Array[] = [];
  readonly control: ControlResponse[] = [];
  dataEnd: CallStatus | null = null;
  controlEnd: CallStatus | null = null;
  readonly #channel: GrpcChannel;
  readonly #isReading: () => boolean;
  #data: ClientStream;
  #control: ClientStream;

  /** `reads` false: Data is opened and not read. */
  constructor(
    address: string,
    options: { readonly data?: Metadata; readonly control?: Metadata; readonly reads?: () => boolean } = {},
  ) {
    this.#channel = new GrpcChannel({ address, tls: null, clock: systemClock });
    this.#isReading = options.reads ?? (() => true);
    this.#data = this.#openData(options.data ?? protocol);
    this.#control = this.#channel.stream(
      pathOf(TransportConnectorService.method.control),
      { metadata: options.control ?? { ...protocol, "bubu.transport.binding": "demo/binding" } },
      {
        message: (bytes, start, end) => {
          this.control.push(fromBinary(ControlResponseSchema, bytes.subarray(start, end)));
          return true;
        },
        end: (status) => this.controlEnd = status,
      },
    );
  }

  #openData(metadata: Metadata): ClientStream {
    return this.#channel.stream(pathOf(TransportConnectorService.method.data), { metadata }, {
      message: (bytes, start, end) => {
        const message = Uint8Array.from(bytes.subarray(start, end));
        this.dataBytes.push(message);
        this.data.push(fromBinary(DataResponseSchema, message));
        return this.#isReading();
      },
      end: (status) => this.dataEnd = status,
    });
  }

  /** Reads Data again. */
  resume(): void {
    this.#data.resume();
  }

  get writable(): boolean {
    return this.#data.writable;
  }

  send(message: MessageInitShape<typeof DataRequestSchema>): void {
    this.sendBytes(toBinary(DataRequestSchema, create(DataRequestSchema, message)));
  }

  sendBytes(message: Uint8Array): void {
    this.#data.write(message);
  }

  say(message: MessageInitShape<typeof ControlRequestSchema>): void {
    this.sayBytes(toBinary(ControlRequestSchema, create(ControlRequestSchema, message)));
  }

  sayBytes(message: Uint8Array): void {
    this.#control.write(message);
  }

  receipt(sequence: number, more: { streamId?: string; partition?: string; sizeBytes?: number } = {}): void {
    this.say(receipt(sequence, more));
  }

  /** The next control message of a type that has come, or comes within `ms`. */
  directive(action: ControlAction, index = 0, ms = 5_000): Promise<ControlResponse> {
    return eventually(
      `control message ${action}`,
      () => this.control.filter((each) => each.action === action)[index],
      ms,
    );
  }

  /** Packets that are not keep-alives, once there are `count`. */
  packets(count: number, ms = 5_000): Promise<readonly DataResponse[]> {
    return eventually(`${count} packets`, () => {
      const packets = this.data.filter((each) => each.metadata["bubu-heartbeat"] !== "true");
      return packets.length >= count ? packets : null;
    }, ms);
  }

  /** As a crash: both streams reset, the connection gone. */
  crash(): Promise<void> {
    this.#data.cancel();
    this.#control.cancel();
    return this.#channel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#data.halfClose();
    this.#control.halfClose();
    await this.#channel.close();
  }
}

export function receipt(
  sequence: number,
  { streamId = "demo/run/b", partition = "", sizeBytes = 100 }: {
    streamId?: string;
    partition?: string;
    sizeBytes?: number;
  },
): MessageInitShape<typeof ControlRequestSchema> & Partial<ControlRequest> {
  return {
    customAction: "downstream.delivered",
    metadata: {
      stream_id: streamId,
      partition,
      sequence: String(sequence),
      size_bytes: String(sizeBytes),
    },
  };
}
