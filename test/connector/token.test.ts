// The token that a connector shows (DECISIONS W-01): to hub and discovery by TLS, never in cleartext, never to a peer.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/adapters/clock.ts";
import { DiscoveryClient } from "../../src/adapters/connector/discovery-client.ts";
import { podAddress } from "../../src/adapters/connector/pod-address.ts";
import { tokenFrom } from "../../src/adapters/connector/token-file.ts";
import { GrpcDriver } from "../../src/adapters/drivers/grpc.ts";
import { listenHttp2 } from "../../src/adapters/grpc/listen.ts";
import { readSetup } from "../../src/bin/connector-config.ts";
import type { Target } from "../../src/connector/driver.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { within } from "../support/deadline.ts";
import { createAuthority } from "../support/tls.ts";

const test = suite("the token that a connector shows");

const authority = createAuthority("authority");
const pod = podAddress();

interface Bed extends AsyncDisposable {
  readonly driver: GrpcDriver;
  readonly discovery: DiscoveryClient;
  readonly file: string;
  readonly target: Target;
  /** `authorization` of the calls so far. */
  readonly shown: (string | undefined)[];
  /** Opens a stream, and settles when it was refused. */
  open(more: Partial<Target>): Promise<void>;
}

async function bed(host: string, isSecure: boolean): Promise<Bed> {
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-token-"));
  const file = join(folder, "token");
  await writeFile(file, "first\n");
  const shown: (string | undefined)[] = [];
  const port = await listenHttp2({
    address: `${host}:0`,
    tls: isSecure ? authority.issue("server", [host]) : null,
    clock: systemClock,
    log: silentLog,
    stream(stream, { authorization }) {
      shown.push(authorization);
      stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "14" }, { endStream: true });
    },
  });
  const shared = { tls: authority.issue("client"), token: tokenFrom(file), clock: systemClock };
  const driver = new GrpcDriver({ ...shared, log: silentLog, maxReceiveBytes: 1_000_000 });
  const discovery = new DiscoveryClient({ ...shared, address: port.address });
  const target = { address: port.address, serverName: "localhost" };
  return {
    driver,
    discovery,
    file,
    target,
    shown,
    async open(more) {
      const over = new Promise<void>((resolve) => {
        driver.open({ ...target, ...more }, {}, 5_000, {
          connected() {},
          accepted() {},
          message: () => true,
          endOfChunk() {},
          writable() {},
          end: () => resolve(),
        });
      });
      await within(5_000, "the end of the stream", over);
    },
    async [Symbol.asyncDispose]() {
      await driver.close();
      await discovery.close();
      await port.close(100);
      await rm(folder, { recursive: true });
    },
  };
}

const step = { namespace: "demo", storyRun: "run", step: "a" };

test("hub and discovery see the token as it is when they are called, a peer never does", async () => {
  assert.ok(pod !== null, "this machine has no address beside loopback");
  await using t = await bed(pod, true);
  await t.open({ isHub: true });
  await writeFile(t.file, "second");
  await t.open({ isHub: true });
  await t.open({});
  await t.discovery.get(step, 100).catch(() => {});
  await rm(t.file);
  await t.open({ isHub: true });
  await writeFile(t.file, "");
  assert.equal(t.shown, ["Bearer first", "Bearer second", undefined, "Bearer second", undefined]);
});

test("in cleartext nobody sees it", async () => {
  await using t = await bed("127.0.0.1", false);
  await t.open({ isHub: true });
  await t.discovery.get(step, 100).catch(() => {});
  assert.equal(t.shown, [undefined, undefined]);
});

test("the file is the pod's own unless a variable names another, which must be readable", async () => {
  const env = { BUBU_STORYRUN_ID: "run", BUBU_POD_NAMESPACE: "demo", BUBU_STEP_NAME: "a" };
  const read = async (more: Record<string, string>) =>
    await readSetup({ BUBU_HUB_ENDPOINT: "127.0.0.1:1", BUBU_TRANSPORT_BINDING: "{}", ...env, ...more });
  const missing = await read({ BOBRAVOZ_TOKEN_FILE: "/nowhere/token" });
  assert.ok(missing.faults.includes("BOBRAVOZ_TOKEN_FILE: /nowhere/token cannot be read or is empty"));
  assert.not((await read({})).faults.some((fault) => fault.includes("TOKEN")));
});

test("A-30: a step's own address given as the hub's is a peer", async () => {
  const isHub = async (address: string, run = "voice-7") => {
    const env = { BUBU_STORYRUN_ID: run, BUBU_POD_NAMESPACE: "demo", BUBU_STEP_NAME: "a" };
    return (await readSetup({ ...env, BUBU_HUB_ENDPOINT: address })).setup.hub?.isHub;
  };
  assert.is(await isHub("voice-7-vad.demo.svc.cluster.local:50051"), false);
  assert.is(await isHub("bobravoz-grpc-hub.bobrapet-system.svc.cluster.local:9000"), true);
  assert.is(await isHub("voice-7-vad.other.svc.cluster.local:50051"), true);
  assert.is(await isHub("10.0.0.1:9000"), true);
});

test.run();
