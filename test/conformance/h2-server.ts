// `node test/conformance/h2-server.ts WAY`: a port for h2spec; writes its number. WAY is one of
//
//   hub    the hub's port
//   own    a port of methods of our own framing, as connectors have
//   node   plain node:http2, the baseline

import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { systemClock } from "../../src/adapters/clock.ts";
import { listenMethods } from "../../src/adapters/grpc/listen.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { serveHub } from "../support/serve-hub.ts";
import { ownMethods } from "./server-own.ts";

const ways: Readonly<Record<string, () => Promise<string>>> = {
  hub: async () => (await serveHub(null)).address,
  async own() {
    const options = { address: "127.0.0.1:0", tls: null, clock: systemClock, log: silentLog };
    return (await listenMethods({ ...options, methods: ownMethods() })).address;
  },
  async node() {
    const server = http2.createServer((request, response) => {
      request.resume();
      response.end("plain");
    });
    server.on("session", (session) => session.on("error", () => {}));
    server.on("sessionError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`; // listening, and not at a path
  },
};

const listen = ways[process.argv[2] ?? ""];
if (listen === undefined) throw new Error(`the way is one of ${Object.keys(ways).join(", ")}`);
const address = await listen();
console.log(address.slice(address.lastIndexOf(":") + 1));
