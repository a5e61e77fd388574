// `node test/conformance/server.ts WAY`: a server for the suite. WAY is one of
//
//   own       our own framing, as connectors serve
//   hub       the hub's port, where our own framing has handed the call on to the Connect adapter
//   connect   plain connect-node, the baseline

import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { create } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { systemClock } from "../../src/adapters/clock.ts";
import { listenMethods } from "../../src/adapters/grpc/listen.ts";
import type { TlsFiles } from "../../src/adapters/grpc/options.ts";
import { listenGrpc } from "../../src/adapters/http/server.ts";
import { readHubConfig } from "../../src/contract/hub-config.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { Hub } from "../../src/hub/hub.ts";
import { normalizeRequest } from "../../src/hub/normalize.ts";
import { FakePlans } from "../support/fake-plans.ts";
import {
  type ServerCompatRequest,
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/conformance_pb.ts";
import { connectRoutes } from "./server-connect.ts";
import { ownMethods } from "./server-own.ts";
import { readMessages, writeMessage } from "./stdio.ts";

type Listen = (tls: TlsFiles | null, maxReceiveBytes: number) => Promise<number>;

const ways: Readonly<Record<string, Listen>> = {
  async own(tls, maxReceiveBytes) {
    const options = { address: "127.0.0.1:0", tls, maxReceiveBytes, clock: systemClock, log: silentLog };
    return portOf((await listenMethods({ ...options, methods: ownMethods() })).address);
  },
  async hub(tls, maxReceiveBytes) {
    const { config } = readHubConfig(() => undefined);
    const limits = { ...config, maxBufferedBytes: 1e6 };
    const plans = new FakePlans(null);
    const hub = new Hub({ plans, clock: systemClock, log: silentLog, normalize: normalizeRequest, limits });
    const handler = connectNodeAdapter({ routes: connectRoutes, acceptCompression: [], readMaxBytes: maxReceiveBytes });
    const shared = { clock: systemClock, log: silentLog, tls, hub, handler, maxReceiveBytes };
    return portOf((await listenGrpc({ ...shared, host: "127.0.0.1", port: 0 })).address);
  },
  async connect(tls, maxReceiveBytes) {
    const handler = connectNodeAdapter({ routes: connectRoutes, acceptCompression: [], readMaxBytes: maxReceiveBytes });
    const server = tls === null
      ? http2.createServer(handler)
      : http2.createSecureServer({ ...tls, requestCert: true, rejectUnauthorized: true }, handler);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port; // listening, and not at a path
  },
};

function tlsOf({ useTls, serverCreds, clientTlsCert }: ServerCompatRequest): TlsFiles | null {
  if (!useTls || serverCreds === undefined) return null;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { cert: text(serverCreds.cert), key: text(serverCreds.key), ca: text(clientTlsCert) };
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

const listen = ways[process.argv[2] ?? ""];
if (listen === undefined) throw new Error(`the way is one of ${Object.keys(ways).join(", ")}`);
for await (const request of readMessages(ServerCompatRequestSchema)) {
  const port = await listen(tlsOf(request), request.messageReceiveLimit || 10 * 1024 * 1024);
  const pemCert = request.serverCreds?.cert;
  writeMessage(ServerCompatResponseSchema, create(ServerCompatResponseSchema, { host: "127.0.0.1", port, pemCert }));
}
