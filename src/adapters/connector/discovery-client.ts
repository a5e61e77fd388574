/** Binding discovery over our own gRPC framing: a connector loads no Connect adapter. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type Binding,
  DiscoveryService,
  GetBindingRequestSchema,
  type ReportConnectorRequest,
  type WatchBindingsRequest,
  WatchBindingsRequestSchema,
  WatchBindingsResponseSchema,
} from "../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import type { BindingEvents, Discovery, StepIdentity, Watch } from "../../connector/discovery.ts";
import { TransportError } from "../../contract/errors.ts";
import { isLoopback } from "../../contract/loopback.ts";
import type { Clock } from "../../contract/runtime.ts";
import type { Metadata } from "../grpc/call.ts";
import { GrpcChannel, toTransportError } from "../grpc/channel.ts";
import { callUnary, pathOf } from "../grpc/codec.ts";
import { grpcCodes } from "../grpc/codes.ts";
import type { TlsFiles } from "../grpc/options.ts";
import { hostOf } from "../drivers/grpc.ts";

export interface DiscoveryClientOptions {
  /** `host:port`. */
  readonly address: string;
  /** For an address that is not loopback. Read anew for each connection. */
  readonly tls: TlsFiles | null;
  /** The token of this pod, read anew for each call and never sent in cleartext. Default: none. */
  readonly token?: () => string | null;
  readonly clock: Clock;
}

const reportLimitMs = 10_000;

export class DiscoveryClient implements Discovery {
  readonly #address: string;
  readonly #channel: GrpcChannel;
  readonly #token: () => string | null;

  constructor(options: DiscoveryClientOptions) {
    const { address, token, clock } = options;
    const isLocal = isLoopback(hostOf(address));
    this.#address = address;
    this.#token = isLocal || options.tls === null ? () => null : token ?? (() => null);
    this.#channel = new GrpcChannel({
      address,
      get tls() {
        return isLocal ? null : options.tls;
      },
      clock,
    });
  }

  #metadata(): Metadata {
    const token = this.#token();
    return token === null ? {} : { authorization: `Bearer ${token}` };
  }

  async get(step: StepIdentity, waitMs: number): Promise<Binding> {
    const wait = { seconds: BigInt(Math.floor(waitMs / 1000)), nanos: Math.floor(waitMs % 1000) * 1_000_000 };
    const { namespace, storyRun, step: name } = step;
    const request = create(GetBindingRequestSchema, { namespace, storyRun, step: name, wait });
    // the deadline leaves room for the answer that nothing was decided
    const options = { timeoutMs: waitMs + 1_000, metadata: this.#metadata() };
    const { binding } = await callUnary(this.#channel, DiscoveryService.method.getBinding, request, options);
    if (binding === undefined) throw new TransportError("PeerFailed", `${this.#address} answered without a binding`);
    return binding;
  }

  watch(
    { namespace, storyRun, step }: StepIdentity,
    held: { readonly binding: string; readonly version: string } | null,
    events: BindingEvents,
  ): Watch {
    let isStopped = false;
    const stream = this.#channel.stream(pathOf(DiscoveryService.method.watchBindings), { metadata: this.#metadata() }, {
      message: (bytes, start, end) => {
        const response = fromBinary(WatchBindingsResponseSchema, bytes.subarray(start, end));
        const rejections = response.bindings.flatMap((binding) => {
          const rejection = events.changed(binding);
          const name = `${binding.namespace}/${binding.name}`;
          return rejection === null ? [] : [{ ...rejection, binding: name, version: binding.version }];
        });
        if (response.removed.length > 0) events.removed();
        const { nonce } = response;
        say(
          rejections.length === 0 ? { case: "ack", value: { nonce } } : { case: "nack", value: { nonce, rejections } },
        );
        return true;
      },
      end: (status) => {
        if (isStopped) return;
        isStopped = true;
        events.ended(
          status.code === grpcCodes.Ok
            ? new TransportError("Unavailable", `${this.#address} ended the watch`)
            : toTransportError(status),
        );
      },
    });
    const say = (message: MessageInitShape<typeof WatchBindingsRequestSchema>["message"]) => {
      const request: WatchBindingsRequest = create(WatchBindingsRequestSchema, { message });
      if (!isStopped) stream.write(toBinary(WatchBindingsRequestSchema, request));
    };
    say({
      case: "subscribe",
      value: {
        selectors: [{ namespace, storyRun, step }],
        heldVersions: held === null ? {} : { [held.binding]: held.version },
      },
    });
    return {
      stop() {
        if (isStopped) return;
        isStopped = true;
        stream.cancel();
      },
    };
  }

  async report(report: ReportConnectorRequest): Promise<void> {
    const options = { timeoutMs: reportLimitMs, metadata: this.#metadata() };
    await callUnary(this.#channel, DiscoveryService.method.reportConnector, report, options);
  }

  close(): Promise<void> {
    return this.#channel.close();
  }
}
