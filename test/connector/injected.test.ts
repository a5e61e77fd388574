/**
 * Connectors started with exactly the variables that the webhook injects, and nothing else, against a real hub that serves
 * discovery as well.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ControlAction } from "../../gen/transport/v1/transport_pb.ts";
import { encodeBindingEnvelope } from "../../src/contract/binding-info.ts";
import { within } from "../support/deadline.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { manifestFolder, startHub } from "../support/hub-process.ts";
import { admit, connectorOf, Objects, patched, pod, valuesOf } from "../support/inject.ts";
import { engram, story, storyRun, transport } from "../support/objects.ts";
import { ScriptEngram } from "../support/script-engram.ts";
import { root } from "../support/sources.ts";

interface Connector extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  readonly err: () => string;
}

/** The injected container of a step's pod as a process; field references are filled in as the kubelet does it. */
async function startInjected(step: string, hub: string): Promise<Connector> {
  const port = await freePort();
  const healthPort = await freePort();
  const value = encodeBindingEnvelope({
    metadata: { name: `voice-1-${step}-transport`, namespace: "demo" },
    spec: {
      transportRef: "speech",
      driver: "bobravoz-grpc",
      connectorEndpoint: `127.0.0.1:${port}`,
      rawSettings: { routing: { mode: "hub" } },
      binary: { direction: "bidirectional", mimeTypes: ["application/json"] },
    },
  });
  const identity = { "bubustack.io/step": step };
  const object = pod({
    labels: { "bubustack.io/engram": step, ...identity },
    annotations: { "transport.bubustack.io/binding": value, ...identity },
    container: {
      env: [
        { name: "BUBU_CONNECTOR_GENERATION", value: "1" },
        { name: "BUBU_GRPC_PORT", value: String(port) },
        { name: "BUBU_TRANSPORT_SECURITY_MODE", value: "tls" },
      ],
    },
  });
  const admission = await admit(object, new Objects(), {
    discoveryEndpoint: hub,
    env: { BUBU_HUB_ENDPOINT: hub },
    probe: { httpGet: { path: "/readyz", port: healthPort } },
  });
  const container = connectorOf(patched(object, admission));
  const env = { ...valuesOf(container), BUBU_POD_NAMESPACE: "demo" } as Record<string, string>;
  const runtime = "Deno" in globalThis ? ["run", "--no-check", "-A"] : [];
  const child: ChildProcess = spawn(
    process.execPath,
    [...runtime, join(root, "src/bin/bobravoz.ts"), "connector"],
    {
      env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let err = "";
  child.stderr!.on("data", (chunk) => err += chunk);
  const exit = new Promise((resolve) => child.once("exit", resolve));
  return {
    env,
    err: () => err,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await within(10_000, "exit", exit);
    },
  };
}

const it = suite("injected connectors");

it("C-090 the injected variables are all that a connector needs: packets flow, probes are answered", async () => {
  const objects = [
    story("voice", ["capture", "transcribe[capture]"]),
    storyRun("voice-1", "voice"),
    transport("speech", { routing: { mode: "hub" } }),
    engram("capture"),
    engram("transcribe"),
  ];
  await using folder = await manifestFolder(objects);
  await using hub = await startHub(folder.path, 0);
  await hub.ready();
  await using first = await startInjected("capture", hub.address);
  await using second = await startInjected("transcribe", hub.address);
  const listens = async ({ err, env }: Connector) => {
    await eventually("it listens", () => err().includes("connector listens") || err().includes("gives up"), 20_000);
    assert.not.match(err(), "gives up");
    return new ScriptEngram(`127.0.0.1:${env["BUBU_GRPC_PORT"]}`);
  };
  await using sender = await listens(first);
  await using receiver = await listens(second);
  await sender.directive(ControlAction.CONNECTOR_READY);
  await receiver.directive(ControlAction.CONNECTOR_READY);
  sender.send({ payload: { text: "hello" } });
  const [packet] = await receiver.packets(1, 10_000);
  const frame = packet?.frame.case === "binary" ? packet.frame.value.payload : new Uint8Array();
  assert.equal(JSON.parse(new TextDecoder().decode(frame)).payload, { text: "hello" });
  const probe = await fetch(`http://${first.env["BOBRAVOZ_HEALTH_LISTEN"]?.replace("0.0.0.0", "127.0.0.1")}/readyz`);
  assert.is(probe.status, 200);
});

it.run();
