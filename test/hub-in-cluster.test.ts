/** `bobravoz hub --in-cluster` without an API server: what it asks for, and how it waits for one. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../src/adapters/clock.ts";
import { drivers } from "../src/adapters/drivers/table.ts";
import { isTransportError, type TransportError } from "../src/contract/errors.ts";
import { protocolVersion, requestHeaders } from "../src/contract/names.ts";
import { silentLog } from "../src/contract/runtime.ts";
import { Command } from "./support/command.ts";
import { within } from "./support/deadline.ts";
import { freePort } from "./support/free-port.ts";

const it = suite("hub in a cluster");

it("what a hub in a cluster needs is named before anything is opened", async () => {
  const cases = [
    [["hub"], {}, "--manifests DIR or --in-cluster is missing", 2],
    [["hub", "--in-cluster", "--manifests", "stories"], {}, "exclude each other", 2],
    [["hub", "--in-cluster"], {}, "needs POD_NAME, --advertise or BUBU_HUB_ENDPOINT", null],
    [["hub", "--in-cluster", "--listen=0.0.0.0:0"], { POD_NAME: "hub-0" }, "0.0.0.0 is not loopback", null],
    [
      ["hub", "--in-cluster", "--listen=127.0.0.1:0"],
      { POD_NAME: "hub-0", BOBRAVOZ_HUB_IDENTITY: "some" },
      "some",
      null,
    ],
  ] as const;
  for (const [argv, env, message, code] of cases) {
    const command = new Command(argv, { env });
    const ended = await within(10_000, message, command.done);
    assert.match(command.err, message);
    if (code === null) assert.not.equal(ended, 0);
    else assert.is(ended, code);
  }
});

it("without an API server it listens, is not ready, refuses streams so that they come again, and ends at a signal", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-kubeconfig-"));
  const kubeconfig = join(folder, "config");
  const name = { name: "away" };
  await writeFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ ...name, cluster: { server: `https://127.0.0.1:${await freePort()}` } }],
      users: [{ ...name, user: { token: "none" } }],
      contexts: [{ ...name, context: { cluster: "away", user: "away" } }],
      "current-context": "away",
    }),
  );
  const [port, probes] = [await freePort(), await freePort()];
  const command = new Command(
    [
      "hub",
      "--in-cluster",
      "--kubeconfig",
      kubeconfig,
      `--listen=127.0.0.1:${port}`,
      `--health-listen=127.0.0.1:${probes}`,
    ],
    { env: { POD_NAME: "bobravoz-grpc-hub-0", POD_NAMESPACE: "sys" } },
  );
  const driver = drivers["bobravoz-grpc"]({
    clock: systemClock,
    log: silentLog,
    tls: null,
    keepalive: null,
    maxReceiveBytes: 1 << 20,
    memory: new Map(),
  });
  try {
    const ready = async () => {
      for (;; await pause(20)) {
        const answer = await fetch(`http://127.0.0.1:${probes}/readyz`).catch(() => null); // not up yet
        if (answer !== null) return await answer.text();
      }
    };
    assert.match(await within(10_000, "a hub that listens", ready()), "the first list of the cluster is not done");
    const refused = new Promise<[TransportError | null, boolean]>((resolve) => {
      const headers = {
        [requestHeaders.protocol]: protocolVersion,
        [requestHeaders.namespace]: "demo",
        [requestHeaders.storyRun]: "run",
        [requestHeaders.step]: "a",
        [requestHeaders.generation]: "1",
      };
      driver.open({ address: `127.0.0.1:${port}`, serverName: "" }, headers, 5_000, {
        accepted() {},
        connected() {},
        message: () => true,
        endOfChunk() {},
        writable() {},
        end: (error, isFinal) => resolve([error, isFinal]),
      });
    });
    const [error, isFinal] = await within(5_000, "a refusal", refused);
    assert.ok(isTransportError(error, "Unavailable"), String(error));
    assert.is(error.message, "StoryRun demo/run has no hub that is known here");
    assert.not(isFinal);
  } finally {
    command.interrupt();
    await driver.close();
    await rm(folder, { recursive: true, force: true });
  }
  assert.is(await within(10_000, "the end of the hub", command.done), 0);
});

it.run();
