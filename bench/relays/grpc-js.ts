/** Baseline: a grpc-js server that passes the producer's messages on as the buffers in which they came. */
import { createRequire } from "node:module";
import type * as Http2 from "node:http2";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { requestHeaders } from "../../src/contract/names.ts";
import { sessionWindowBytes, steps, streamWindowBytes } from "../pair.ts";
import { announcePort } from "./announce.ts";

type Call = ServerDuplexStream<Buffer, Buffer>;

raiseWindows();
const consumers = new Map<string, Call>();

function relay(call: Call): void {
  const header = (name: string) => String(call.metadata.get(name)[0]);
  const run = header(requestHeaders.storyRun);
  call.on("error", () => {}); // the load generator breaks its connections off
  if (header(requestHeaders.step) === steps.consumer) {
    consumers.set(run, call);
    call.on("end", () => call.end());
    call.resume();
    return;
  }
  call.on("data", (message: Buffer) => {
    const consumer = consumers.get(run)!;
    if (consumer.write(message)) return;
    call.pause();
    consumer.once("drain", () => call.resume());
  });
  call.on("end", () => call.end());
}

const same = (bytes: Buffer): Buffer => bytes;
const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
server.addService({
  process: {
    path: "/transport.v1.HubService/Process",
    requestStream: true,
    responseStream: true,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
}, { process: relay });
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  announcePort(port);
});

/** A grpc-js server has no option for windows: the module object it calls `createServer` on gets a wrapper. */
function raiseWindows(): void {
  const http2 = createRequire(import.meta.url)("node:http2") as { createServer: typeof Http2.createServer };
  const create = http2.createServer;
  const raised = (options: Http2.ServerOptions) => {
    const settings = { ...options.settings, initialWindowSize: streamWindowBytes };
    const created = create({ ...options, settings });
    created.on("session", (session) => session.setLocalWindowSize(sessionWindowBytes));
    return created;
  };
  http2.createServer = raised as typeof Http2.createServer; // grpc-js passes options only
}
