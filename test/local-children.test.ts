/** Engrams as child processes of `bobravoz local`. */
import { createClient } from "@connectrpc/connect";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DiscoveryService } from "../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { connectTo } from "../src/adapters/rpc/clients.ts";
import { dispatch } from "../src/bin/commands.ts";
import type { Io } from "../src/bin/io.ts";
import { Signal, within } from "./support/deadline.ts";
import { eventually } from "./support/eventually.ts";

/** Other tests run beside this one. */
const anyPorts = ["--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"];

const children = suite<{ local: Local }>("local children");

const transport = (more = "") =>
  `apiVersion: transport.bubustack.io/v1alpha1
kind: Transport
metadata: { name: speech }
spec: { provider: bobravoz, driver: bobravoz-grpc, supportedBinary: [application/json]${more} }
`;
const engram = (name: string, command: string, connector = `, bobravoz.bubustack.io/local-connector: "false"`) =>
  `apiVersion: bubustack.io/v1alpha1
kind: Engram
metadata:
  name: ${name}-program
  namespace: demo
  annotations: { bobravoz.bubustack.io/local-command: ${JSON.stringify(command)}${connector} }
spec: { templateRef: { name: any }, mode: deployment, with: { volume: 3, gain: 1 } }
`;
const story = (names: readonly string[]) =>
  `apiVersion: bubustack.io/v1alpha1
kind: Story
metadata: { name: voice, namespace: demo }
spec:
  pattern: realtime
  transports: [{ name: main, transportRef: speech }]
  steps:
${names.map((name) => `    - { name: ${name}, ref: { name: ${name}-program }, with: { gain: 2 } }\n`).join("")}`;

/** `bobravoz local` over a temporary folder, with what it prints. */
class Local {
  readonly directory: string;
  readonly signal = new Signal();
  readonly #stop = new AbortController();
  #output = "";
  #exit: Promise<number> | null = null;

  constructor(directory: string) {
    this.directory = directory;
  }

  get output(): string {
    return this.#output;
  }

  write(file: string, text: string): Promise<void> {
    return writeFile(join(this.directory, file), text);
  }

  /** A Story of independent steps, each with its command. */
  async programs(commands: Readonly<Record<string, string>>): Promise<void> {
    await this.write("transport.yaml", transport());
    for (const [name, command] of Object.entries(commands)) await this.write(`${name}.yaml`, engram(name, command));
    await this.write("story.yaml", story(Object.keys(commands)));
  }

  run(...flags: string[]): Promise<number> {
    const take = (text: string) => {
      this.#output += text;
      this.signal.notify();
    };
    const io: Io = {
      out: take,
      err: take,
      env: { PATH: process.env["PATH"], BUBU_HUB_ENDPOINT: "elsewhere:1", KEPT: "yes", BUBU_DEBUG: "1" },
      signal: this.#stop.signal,
      isTerminal: false,
      columns: 80,
      stdin: (async function* () {})(),
    };
    return this.#exit = dispatch(["local", this.directory, ...anyPorts, ...flags], io);
  }

  /** What the first match of the output captured. */
  said(pattern: RegExp): Promise<string> {
    const look = () => pattern.exec(this.#output)?.slice(-1)[0];
    return this.signal.until(`${pattern} (so far: ${this.#output.slice(-2_000)})`, look, 10_000);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    if (this.#exit !== null) await within(10_000, "local ends", this.#exit);
  }

  async binding(step: string) {
    const address = await this.said(/listen on ([\d.]+:\d+)/);
    const connection = connectTo(address, { env: {} });
    try {
      const discovery = createClient(DiscoveryService, connection.transport);
      const { binding } = await discovery.getBinding({ namespace: "demo", storyRun: "voice-local", step }, {
        timeoutMs: 5_000,
      });
      return { address, binding: binding! };
    } finally {
      connection.close();
    }
  }
}

/** Whether a process of this id runs; one that nobody has waited for yet does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    // No /proc here: the signal's answer stands.
    return true;
  }
}

children.before.each(async (context) => {
  context.local = new Local(await mkdtemp(join(tmpdir(), "bobravoz-children-")));
});
children.after.each(async ({ local }) => {
  await local.stop();
  await rm(local.directory, { recursive: true });
});

children("a program gets its variables, its binding byte for byte as discovery answers", async ({ local }) => {
  await local.programs({ a: "env > a.env; pwd; exec sleep 60", b: "env > b.env; echo started; exec sleep 60" });
  local.run();
  await local.said(/^a \| (.+)$/m);
  await local.said(/^b \| (started)$/m);
  const { address, binding } = await local.binding("a");
  const text = await readFile(join(local.directory, "a.env"), "utf8");
  const env = new Map(
    text.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  assert.is(env.get("BUBU_TRANSPORT_BINDING"), binding.transportBinding);
  assert.is(env.get("BUBU_HUB_ENDPOINT"), address);
  assert.is(env.get("BOBRAVOZ_HUB_ENDPOINT"), address);
  assert.is(env.get("BOBRAVOZ_DISCOVERY_ENDPOINT"), address);
  assert.is(env.get("BUBU_CONNECTOR_GENERATION"), String(binding.generation));
  assert.is(`127.0.0.1:${env.get("BUBU_GRPC_PORT")}`, binding.connectorEndpoint);
  assert.equal(
    ["BUBU_STORYRUN_ID", "BUBU_STEP_NAME", "BUBU_POD_NAMESPACE", "BUBU_STEP_CONFIG", "KEPT"].map((name) =>
      env.get(name)
    ),
    ["voice-local", "a", "demo", '{"volume":3,"gain":2}', "yes"],
  );
  assert.not([...env.keys()].some((name) => /SECURITY_MODE|TLS|CERT|CA_FILE/.test(name)));
  assert.match(await readFile(join(local.directory, "b.env"), "utf8"), /BUBU_STEP_NAME=b/);
  assert.is.not((await local.binding("b")).binding.connectorEndpoint, binding.connectorEndpoint);
});

children("a program that crashes is named and started again; the others do not notice", async ({ local }) => {
  await local.programs({ good: "echo pid $$; exec sleep 60", bad: "echo try; exit 3" });
  local.run();
  const pid = Number(await local.said(/^good \| pid (\d+)$/m));
  const crash = JSON.parse(await local.said(/^(.*"engram crashed".*)$/m));
  assert.equal([crash.step, crash.engram, crash.error, crash.retryMs], ["bad", "bad-program", "exit code 3", 500]);
  await local.said(/bad \| try[^]*?(bad \| try)/);
  assert.ok(isAlive(pid));
});

children(
  "an edited setting starts a program anew as the next generation, an edited edge does not",
  async ({ local }) => {
    const say = "echo generation $BUBU_CONNECTOR_GENERATION port $BUBU_GRPC_PORT; exec sleep 60";
    await local.programs({ a: say, b: say });
    local.run();
    const port = await local.said(/^a \| generation 1 port (\d+)$/m);
    await local.said(/^b \| generation (1) /m);
    await local.write("story.yaml", story(["a", "b"]).replace("name: b,", "name: b, needs: [a],"));
    await local.said(/"run decided".*"storyGeneration":(2)/);
    await local.write("transport.yaml", transport(", streaming: { backpressure: { buffer: { maxMessages: 7 } } }"));
    assert.is(await local.said(/^a \| generation 2 port (\d+)$/m), port);
    await local.said(/^b \| generation (2) /m);
    assert.is((await local.binding("a")).binding.generation, 2);
  },
);

children("a step that goes, and the end, stop programs and what they started", async ({ local }) => {
  const forking = "sleep 60 & echo pid $!; trap '' HUP; wait";
  await local.programs({ a: forking, b: forking });
  local.run();
  const [a, b] = [await local.said(/^a \| pid (\d+)$/m), await local.said(/^b \| pid (\d+)$/m)].map(Number);
  assert.ok(isAlive(a!) && isAlive(b!));
  await local.write("story.yaml", story(["a"]));
  await local.said(/"(engram stopped)".*"step":"b"/);
  // what the program had started is init's to bury, a moment after
  await eventually("the end of b", () => !isAlive(b!));
  assert.ok(isAlive(a!));
  await local.stop();
  await eventually("the end of a", () => !isAlive(a!));
});

children("once: a crash ends it with 1 and names the program", async ({ local }) => {
  await local.programs({ good: "exec sleep 60", bad: "exit 7" });
  assert.is(await within(10_000, "local ends", local.run("--once")), 1);
  assert.match(local.output, /bobravoz: engram "bad-program" of step "bad" crashed: exit code 7/);
});

children(
  "once: ends when the programs have, and is not content with a Story in which nothing moved",
  async ({ local }) => {
    await local.programs({ a: "exit 0", b: "sleep 0.1" });
    assert.is(await within(10_000, "local ends", local.run("--once")), 1);
    assert.match(local.output, /no packet was seen on any edge/);
  },
);

const withConnector = (name: string, command: string) => engram(name, command, "");
const library = fileURLToPath(new URL("../src/engram/mod.ts", import.meta.url));
const config = fileURLToPath(new URL("../deno.json", import.meta.url));
const runtime = "Deno" in globalThis
  ? `'${process.execPath}' run --no-check -A --config '${config}'`
  : `'${process.execPath}'`;

/** A program on the engram library. */
function program(local: Local, name: string, body: string): Promise<void> {
  return local.write(
    `${name}.ts`,
    `import { runEngram } from ${JSON.stringify(library)};
await runEngram({ async *stream(packets: any, context: any) {\n${body}\n} });
`,
  );
}

/** A chain of two programs, each with a connector beside it. */
async function chain(local: Local, source: string, sink: string): Promise<void> {
  await local.write("transport.yaml", transport());
  await program(local, "a", source);
  await program(local, "b", sink);
  await local.write("a.yaml", withConnector("a", `exec ${runtime} a.ts`));
  await local.write("b.yaml", withConnector("b", `exec ${runtime} b.ts`));
  await local.write("story.yaml", story(["a", "b"]).replace("name: b,", "name: b, needs: [a],"));
}

children(
  "beside a program stands a connector, which takes its packets straight to the next one's",
  async ({ local }) => {
    await chain(
      local,
      `for (let i = 0; i < 50; i++) yield { payload: { i } };
    console.log(Object.keys(context.env).filter((name) => /HUB_ENDPOINT|DISCOVERY/.test(name)).length, "addresses");`,
      `let n = 0;
    for await (const { payload } of packets) if (payload.i !== n++ || n === 50) break;
    console.log(n, "came");`,
    );
    assert.is(await within(30_000, "local ends", local.run("--once")), 0, local.output);
    assert.match(local.output, /^a \| 0 addresses$/m);
    assert.match(local.output, /^b \| 50 came$/m);
    assert.match(local.output, /^a ─> b +p2p +50 +50 +0 +0 /m);
  },
);

children("what a program sent before its end reaches one that is slow", async ({ local }) => {
  await chain(
    local,
    `const bytes = new Uint8Array(65536);
    for (let i = 0; i < 100; i++) yield { binary: { bytes }, metadata: { i: String(i) } };`,
    `let n = 0;
    for await (const _ of packets) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (++n === 100) break;
    }`,
  );
  assert.is(await within(30_000, "local ends", local.run("--once")), 0, local.output);
  assert.match(local.output, /every packet is accounted for/);
});

children("a connector that is killed comes back, and its program goes on with it", async ({ local }) => {
  await chain(
    local,
    `for (let i = 0;; i++) {
      yield { payload: { i } };
      await new Promise((resolve) => setTimeout(resolve, 50));
    }`,
    `for await (const { payload } of packets) console.log("packet", payload.i);`,
  );
  local.run();
  await local.said(/^b \| packet (\d+)$/m);
  const started = /"connector started".*"step":"b".*"pid":(\d+)/;
  process.kill(Number(await local.said(started)), "SIGKILL");
  const crash = JSON.parse(await local.said(/^(.*"connector crashed".*)$/m));
  assert.equal([crash.step, crash.error], ["b", "signal SIGKILL"]);
  await local.said(/"connector crashed"[^]*^b \| packet (\d+)$/m);
  assert.not(/"engram crashed"/.test(local.output), local.output);
});

children("an edited setting starts both anew, as the next generation", async ({ local }) => {
  await chain(local, "for await (const _ of packets);", "for await (const _ of packets);");
  local.run();
  const pids = () => [...local.output.matchAll(/"(?:engram|connector) started".*"step":"b".*"generation":2/g)];
  await local.said(/("connector started").*"step":"b"/);
  await local.write("transport.yaml", transport(", streaming: { backpressure: { buffer: { maxMessages: 7 } } }"));
  await local.signal.until("both", () => pids().length === 2, 15_000);
  assert.is((await local.binding("b")).binding.generation, 2);
});

children("once: a connector that cannot run ends it with 1, and is named", async ({ local }) => {
  await local.write("transport.yaml", transport());
  await local.write("a.yaml", withConnector("a", "exec sleep 60"));
  await local.write("story.yaml", story(["a"]));
  const exit = local.run("--once");
  const pid = await local.said(/"connector started".*"pid":(\d+)/);
  process.kill(Number(pid), "SIGKILL");
  assert.is(await within(15_000, "local ends", exit), 1);
  assert.match(local.output, /bobravoz: connector of step "a" crashed: signal SIGKILL/);
});

children("broken manifests at the start end it with every fault", async ({ local }) => {
  await local.programs({ a: "exec sleep 60" });
  await local.write("a.yaml", engram("a", "x").replace("mode", "mod"));
  await local.write("story.yaml", story(["a"]).replace("pattern: realtime", "pattern: realtme"));
  assert.is(await within(10_000, "local ends", local.run()), 3);
  assert.match(local.output, /a\.yaml:7:\d+: unknown field spec\.mod/);
  assert.match(local.output, /story\.yaml:5:3: spec\.pattern must be one of batch, realtime, not "realtme"/);
});

children.run();
