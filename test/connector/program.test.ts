/** `bobravoz connector` as a process: what it asks of its environment, how it ends, and how little it loads. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ControlAction } from "../../gen/transport/v1/transport_pb.ts";
import { connectorEnv } from "../support/connector-bed.ts";
import { within } from "../support/deadline.ts";
import { eventually } from "../support/eventually.ts";
import { ScriptEngram } from "../support/script-engram.ts";
import { ScriptHub } from "../support/script-hub.ts";

const test = suite("connector program");
const root = fileURLToPath(new URL("../..", import.meta.url));

interface Program {
  readonly child: ChildProcess;
  readonly err: () => string;
  readonly exit: Promise<number | null>;
}

function start(env: Readonly<Record<string, string>>): Program {
  const isDeno = "Deno" in globalThis;
  const argv = [...isDeno ? ["run", "-A"] : [], "src/bin/bobravoz.ts", "connector"];
  const child = spawn(process.execPath, argv, {
    cwd: root,
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let err = "";
  child.stderr!.on("data", (chunk) => err += chunk);
  return { child, err: () => err, exit: new Promise((resolve) => child.once("exit", resolve)) };
}

test("D-060 every missing variable is named, and the exit code is 1", async () => {
  const { err, exit } = start({});
  assert.is(await within(20_000, "exit", exit), 1);
  for (
    const name of [
      "BUBU_HUB_ENDPOINT",
      "BUBU_STORYRUN_ID",
      "BUBU_POD_NAMESPACE",
      "BUBU_STEP_NAME",
      "BUBU_TRANSPORT_BINDING",
      "BUBU_CONNECTOR_GENERATION",
    ]
  ) {
    assert.match(err(), `${name} must be set`);
  }
});

test("D-060 off loopback the client certificates are required as well", async () => {
  const { err, exit } = start(await connectorEnv({ hub: "hub.example:9000" }));
  assert.is(await within(20_000, "exit", exit), 1);
  for (const name of ["BUBU_GRPC_CLIENT_CERT_FILE", "BUBU_GRPC_CLIENT_KEY_FILE", "BUBU_GRPC_CA_FILE"]) {
    assert.match(err(), `${name} must be set`);
  }
});

test("D-060 SIGTERM ends it with 0, after what waits was sent", async () => {
  await using hub = await ScriptHub.start();
  const env = await connectorEnv({ hub: hub.address });
  const { child, err, exit } = start(env);
  try {
    await eventually("it listens", () => err().includes("connector listens"), 20_000);
    await using engram = new ScriptEngram(`127.0.0.1:${env["BUBU_GRPC_PORT"]}`);
    await engram.directive(ControlAction.CONNECTOR_READY);
    const stream = await hub.stream();
    engram.send({ payload: { n: 1 } });
    await eventually("the packet", () => stream.packets.length === 1);
    // not child.kill: on Deno that alone decides what is told of the end
    process.kill(child.pid!, "SIGTERM");
    assert.is(await within(10_000, "exit", exit), 0);
    const end = await eventually("end of Control", () => engram.controlEnd);
    assert.is(end.code, 14, "the SDK comes back after Unavailable");
  } finally {
    child.kill("SIGKILL");
  }
});

test("a hub that does not answer at the start ends it with 1 and the reason", async () => {
  const { child, err, exit } = start({
    ...await connectorEnv({ hub: "127.0.0.1:9" }),
    BUBU_GRPC_HUB_DIAL_TIMEOUT: "300ms",
  });
  try {
    assert.is(await within(20_000, "exit", exit), 1);
    assert.match(err(), "did not answer within 300 ms");
  } finally {
    child.kill("SIGKILL");
  }
});

test("a hub that refuses for good ends it with 1 and the reason (W-44)", async () => {
  await using hub = await ScriptHub.start();
  hub.refusal = { code: 7, message: "not yours" };
  const { child, err, exit } = start(await connectorEnv({ hub: hub.address }));
  try {
    assert.is(await within(20_000, "exit", exit), 1);
    assert.match(err(), /"reason":"PermissionDenied","detail":"not yours"/);
  } finally {
    child.kill("SIGKILL");
  }
});

test.run();
