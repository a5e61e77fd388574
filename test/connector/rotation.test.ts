// Certificate files of a connector that are replaced while it runs, as those of a mounted Secret are.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import * as tls from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/adapters/clock.ts";
import { podAddress } from "../../src/adapters/connector/pod-address.ts";
import { readSetup } from "../../src/bin/connector-config.ts";
import { startConnector } from "../../src/bin/connector-node.ts";
import { type Clock, silentLog } from "../../src/contract/runtime.ts";
import { connectorEnv } from "../support/connector-bed.ts";
import { eventually } from "../support/eventually.ts";
import { delivery, plan } from "../support/fake-plans.ts";
import { serveHub } from "../support/serve-hub.ts";
import { type Authority, createAuthority } from "../support/tls.ts";

const test = suite("certificates of a connector that are replaced");

const pod = podAddress();

/** Looks at files twenty times a second, where the program does so twice a minute. */
const hurried: Clock = {
  ...systemClock,
  nowMs: () => systemClock.nowMs(),
  every: (ms, run) => systemClock.every(ms === 30_000 ? 50 : ms, run),
};

/** The authority that signed what a listener shows. */
function shownBy(address: string, authority: Authority): Promise<string> {
  const at = address.lastIndexOf(":");
  const own = authority.issue("peer");
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      ...own,
      host: address.slice(0, at),
      port: Number(address.slice(at + 1)),
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
    }, () => {
      resolve(socket.getPeerCertificate().issuer.CN as string);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

test("the next connection to the hub, and those of peers, use what stands in the files", async () => {
  assert.ok(pod !== null, "this machine has no address beside loopback");
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-rotation-"));
  const [before, after] = [createAuthority("before"), createAuthority("after")];
  const names = {
    cert: "BUBU_GRPC_CLIENT_CERT_FILE",
    key: "BUBU_GRPC_CLIENT_KEY_FILE",
    ca: "BUBU_GRPC_CA_FILE",
  } as const;
  const write = async (authority: Authority, parts: readonly (keyof typeof names)[] = ["cert", "key", "ca"]) => {
    const files = authority.issue("engram", [pod]);
    for (const part of parts) await writeFile(join(folder, part), files[part]);
  };
  await write(before);
  const shape = plan(["a>b"], delivery(10));
  const first = await serveHub(shape, { host: pod, tls: before.issue("hub", [pod]) });
  const port = Number(first.address.slice(first.address.lastIndexOf(":") + 1));
  const files = Object.fromEntries(Object.entries(names).map(([part, name]) => [name, join(folder, part)]));
  const env = await connectorEnv({ hub: first.address, env: files });
  const { setup, faults } = await readSetup(env);
  assert.equal(faults, []);
  const node = await startConnector(setup, hurried, silentLog);
  node.failed.catch(() => {});
  await eventually("the hub", () => node.connector.isConnected);
  const peers = `${pod}:${env["BUBU_GRPC_PORT"]}`;
  assert.is(await shownBy(peers, before), "before");

  // a certificate without its key yet is not taken over
  await write(after, ["cert"]);
  await new Promise<void>((resolve) => systemClock.after(200, resolve));
  assert.is(await shownBy(peers, before), "before");
  await write(after);
  const endMs = performance.now() + 5_000;
  while (await shownBy(peers, after) !== "after") assert.ok(performance.now() < endMs, "the old certificate stays");
  assert.ok(node.connector.isConnected, "the stream that stood goes on");
  await first[Symbol.asyncDispose]();
  const second = await serveHub(shape, { host: pod, port, tls: after.issue("hub", [pod]) });
  await eventually("the hub with new certificates", () => second.hub.facts().activeStreams === 1);
  await node.close(100);
  await second[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

test.run();
