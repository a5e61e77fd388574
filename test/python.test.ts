/** The Python engrams of README: one that speaks to its connector, one that speaks to the hub (examples/python). */
import { spawnSync } from "node:child_process";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Command } from "./support/command.ts";
import { within } from "./support/deadline.ts";
import { root, testWithTool } from "./support/tools.ts";

const it = suite("engrams in Python");

testWithTool(it, "python-grpcio", "a packet goes through both, by the connector and by the hub", async (python) => {
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-python-"));
  try {
    for (const file of ["story.yaml", "upper.py", "exclaim.py"]) {
      await copyFile(join(root, "examples", "python", file), join(folder, file));
    }
    const protoc = ["-m", "grpc_tools.protoc", "-I", join(root, "proto"), "--python_out=.", "--grpc_python_out=."];
    const files = ["transport/v1/transport.proto", "transport/v1/hub.proto"];
    const stubs = spawnSync(python, [...protoc, ...files], { cwd: folder, timeout: 30_000, encoding: "utf8" });
    assert.is(stubs.status, 0, stubs.stderr);
    const env = { PATH: process.env["PATH"] ?? "", PYTHONPATH: join(dirname(python), "packages") };
    const anyPorts = ["--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"];
    const local = new Command(["local", folder, ...anyPorts], { env });
    try {
      const address = await local.signal.until("the hub", () => /listen on ([^\s,]+)/.exec(local.err)?.[1], 10_000);
      const hear = new Command(["recv", "default/shout-local/hear", "--hub", address]);
      const stdin = [`{"payload": {"text": "hello"}}\n`];
      const say = new Command(["send", "default/shout-local/say", "--hub", address], { stdin });
      try {
        assert.is(await within(20_000, "the packet is sent", say.done), 0, say.err);
        const heard = () => hear.out.includes("\n") && JSON.parse(hear.out).payload;
        assert.equal(await hear.signal.until("an answer", heard, 20_000), { text: "HELLO!" }, local.out);
      } finally {
        hear.interrupt();
        await within(5_000, "recv ends", hear.done);
      }
    } finally {
      local.interrupt();
      await within(15_000, "local ends", local.done);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it.run();
