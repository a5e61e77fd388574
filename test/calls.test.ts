// Calls from outside that know nothing of us but the address: the commands of README, and grpcurl (over grpc-go) as a
// second opinion on health and reflection.

import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Command } from "./support/command.ts";
import { within } from "./support/deadline.ts";
import { root } from "./support/sources.ts";
import { testWithTool } from "./support/tools.ts";

const it = suite("calls from outside");
const example = join(root, "examples", "voice");
const bin = join(root, "node_modules", ".bin");

interface Local extends AsyncDisposable {
  readonly address: string;
}

/** `bobravoz local` over the voice Story, whose programs are not started. */
async function startLocal(): Promise<Local> {
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-calls-"));
  for (const file of (await readdir(example)).filter((name) => name.endsWith(".yaml"))) {
    await copyFile(join(example, file), join(folder, file));
  }
  const engrams = join(folder, "engrams.yaml");
  await writeFile(engrams, (await readFile(engrams, "utf8")).replaceAll(/^.*\/local-command:.*\n/gm, ""));
  const local = new Command(["local", folder, "--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"]);
  const address = await local.signal.until("the hub listens", () => /listen on ([^\s,]+)/.exec(local.err)?.[1], 10_000);
  return {
    address,
    async [Symbol.asyncDispose]() {
      local.interrupt();
      await within(10_000, "the end of the hub", local.done);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Runs a program to its end; answers exit code and both outputs. */
function run(program: string, args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, PATH: `${bin}:${process.env["PATH"]}` };
  return new Promise((resolve) => {
    execFile(program, args, { cwd: root, env, timeout: 20_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });
}

/** The commands of README's section that begin with `npx PROGRAM`, each as one line of shell. */
async function commands(section: string, program: string): Promise<string[]> {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const text = readme.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? "";
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? "");
  const lines = blocks.join("\n").split(/\n(?=npx )/).map((line) => line.trim());
  return lines.filter((line) => line.startsWith(`npx ${program} `)).map((line) => line.slice("npx ".length));
}

it("the buf curl commands of README work as they stand, over each protocol", async () => {
  await using local = await startLocal();
  const found = await commands("Call it", "buf");
  const calls = ["--list-methods", "GetBinding", "ExplainTopology", "HubService/Process"];
  assert.is(found.length, calls.length);
  for (const [index, call] of calls.entries()) {
    const line = (found[index] ?? "").replaceAll("127.0.0.1:9000", local.address);
    assert.match(line, call);
    for (const protocol of ["", "--protocol grpc", "--protocol grpcweb", "--protocol connect"]) {
      const { code, out, err } = await run("sh", ["-c", line.replace("buf curl", `buf curl ${protocol}`)]);
      assert.is(code, 0, `${line} ${protocol}\n${out}${err}`);
      if (index === 0) assert.match(out, "transport.v1.HubService/Process");
      if (index === 1) assert.match(out, '"step": "vad"');
      if (index === 2) assert.match(out, '"reason"');
    }
  }
});

it("the bobravoz commands of README that end by themselves work as they stand", async () => {
  await using local = await startLocal();
  const found = await commands("Call it", "bobravoz");
  assert.is(found.length, 5);
  for (const line of found.map((each) => each.replace(/\s*#.*$/, ""))) {
    const [, subcommand = "", ...args] = line.split(/\s+/);
    if (subcommand === "send" || subcommand === "recv") continue; // they run until they are stopped
    const command = new Command([
      subcommand,
      ...args,
      ...subcommand === "bindings" ? ["--discovery", local.address] : [],
    ]);
    assert.is(await within(10_000, line, command.done), 0, `${line}\n${command.err}`);
    assert.ok(command.out.length > 0, line);
  }
});

testWithTool(it, "grpcurl", "grpcurl lists, describes and calls by reflection alone", async (grpcurl) => {
  await using local = await startLocal();
  const list = await run(grpcurl, ["-plaintext", local.address, "list"]);
  assert.is(list.code, 0, list.err);
  for (const name of ["bobravoz.discovery.v1.DiscoveryService", "transport.v1.HubService", "grpc.health.v1.Health"]) {
    assert.match(list.out, name);
  }
  const described = await run(grpcurl, ["-plaintext", local.address, "describe", "transport.v1.DataPacket"]);
  assert.match(described.out, "StreamEnvelope envelope = 8");
  const health = await run(grpcurl, ["-plaintext", local.address, "grpc.health.v1.Health/Check"]);
  assert.match(health.out, "SERVING", health.err);
});

it.run();
