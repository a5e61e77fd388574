/** Binding discovery played by a test: one binding, told to every watch; reports are kept. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  BindingSchema,
  DiscoveryService,
  type ReportConnectorRequest,
  ReportConnectorRequestSchema,
  ReportConnectorResponseSchema,
  WatchBindingsResponseSchema,
} from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { pathOf } from "../../src/adapters/grpc/codec.ts";
import { type Http2Port, listenMethods } from "../../src/adapters/grpc/listen.ts";
import { silentLog } from "../../src/contract/runtime.ts";

export interface ScriptDiscovery extends AsyncDisposable {
  readonly address: string;
  readonly reports: readonly ReportConnectorRequest[];
}

export async function scriptDiscovery(binding: MessageInitShape<typeof BindingSchema>): Promise<ScriptDiscovery> {
  const reports: ReportConnectorRequest[] = [];
  const { watchBindings, reportConnector } = DiscoveryService.method;
  const port: Http2Port = await listenMethods({
    address: "127.0.0.1:0",
    tls: null,
    clock: systemClock,
    log: silentLog,
    methods: {
      [pathOf(watchBindings)]: {
        kind: "stream",
        open(stream) {
          let nonce = 0;
          return {
            message() {
              const snapshot = nonce === 0;
              const response = create(WatchBindingsResponseSchema, {
                nonce: `${++nonce}`,
                snapshot,
                bindings: [binding],
              });
              if (snapshot) stream.write(toBinary(WatchBindingsResponseSchema, response));
              return true;
            },
            halfClosed: () => stream.end(null),
            closed() {},
          };
        },
      },
      [pathOf(reportConnector)]: {
        kind: "unary",
        handle(message) {
          reports.push(fromBinary(ReportConnectorRequestSchema, message));
          return toBinary(ReportConnectorResponseSchema, create(ReportConnectorResponseSchema, { version: "1" }));
        },
      },
    },
  });
  return { address: port.address, reports, [Symbol.asyncDispose]: () => port.close(0) };
}
