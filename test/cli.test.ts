/** The command line: what people and scripts see of it. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commands } from "../src/bin/commands.ts";
import { exitCodeMeanings } from "../src/bin/exit-codes.ts";
import { Command } from "./support/command.ts";
import { within } from "./support/deadline.ts";

const cli = suite<{ folder: string }>("command line");
const voice = fileURLToPath(new URL("../examples/voice/", import.meta.url));

const transport = `apiVersion: transport.bubustack.io/v1alpha1
kind: Transport
metadata: { name: speech }
spec: { provider: bobravoz, driver: bobravoz-grpc, supportedBinary: [application/json] }
`;
const engram = `apiVersion: bubustack.io/v1alpha1
kind: Engram
metadata: { name: any, namespace: demo }
spec: { templateRef: { name: any }, mode: deployment }
`;
const story = (steps: string, settings = "") =>
  `apiVersion: bubustack.io/v1alpha1
kind: Story
metadata: { name: chat, namespace: demo }
spec:
  pattern: realtime
  transports: [{ name: main, transportRef: speech${settings} }]
  steps:
${steps}`;
const a = "    - { name: a, ref: { name: any } }\n";
const b = "    - { name: b, ref: { name: any }, needs: [a] }\n";
const c = "    - { name: c, ref: { name: any }, needs: [a] }\n";

cli.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "bobravoz-cli-"));
});
cli.after.each(async ({ folder }) => {
  await rm(folder, { recursive: true, force: true });
});

async function run(argv: readonly string[], options: ConstructorParameters<typeof Command>[1] = {}) {
  const command = new Command(argv, options);
  const code = await within(10_000, argv.join(" "), command.done);
  return { code, out: command.out, err: command.err };
}

/** Writes a Story with everything that it refers to, and answers the path of the Story. */
async function write(folder: string, text: string): Promise<string> {
  await writeFile(join(folder, "world.yaml"), transport + "---\n" + engram);
  await writeFile(join(folder, "story.yaml"), text);
  return join(folder, "story.yaml");
}

/** A hub with discovery over the folder, in this process. */
interface Local {
  readonly address: string;
  /** What it wrote to standard error. */
  readonly err: () => string;
  stop(): Promise<number>;
}

async function local(folder: string): Promise<Local> {
  const command = new Command(["local", folder, "--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"]);
  const look = () => /listen on ([^\s,]+)/.exec(command.err)?.[1];
  const address = await Promise.race([
    command.signal.until("the hub listens", look),
    command.done.then((code) => Promise.reject(new Error(`local ended with ${code}: ${command.err}`))),
  ]);
  return {
    address,
    err: () => command.err,
    stop: () => {
      command.interrupt();
      return within(10_000, "local ends", command.done);
    },
  };
}

cli("help names every command, every exit code, and starts with examples", async () => {
  const { code, out } = await run(["help"]);
  assert.is(code, 0);
  for (const name of Object.keys(commands)) assert.match(out, new RegExp(`^  ${name} `, "m"));
  for (const number of Object.keys(exitCodeMeanings)) assert.match(out, new RegExp(`^  ${number} `, "m"));
  assert.ok(out.indexOf("Examples:") < out.indexOf("Commands:"));
});

cli("each command explains itself, whichever way it is asked", async () => {
  for (const name of Object.keys(commands)) {
    const { code, out } = await run(["help", name]);
    assert.is(code, 0);
    assert.match(out, `bobravoz ${name}`);
    assert.is((await run([name, "--help"])).out, out);
  }
});

cli("without a command the help goes to standard error", async () => {
  const { code, out, err } = await run([]);
  assert.is(code, 2);
  assert.is(out, "");
  assert.match(err, "Commands:");
});

cli("a mistyped command, flag or value is named with what was meant", async () => {
  const cases: [string[], string][] = [
    [["inspekt"], 'unknown command "inspekt"; did you mean "inspect"?'],
    [["bindings", "--wtach"], 'unknown flag --wtach; did you mean "--watch"?'],
    [["inspect", "x.yaml", "--output", "jsno"], 'not "jsno"; did you mean "json"?'],
    [["inspect"], "an argument is missing"],
    [["inspect", "a", "b"], 'unexpected argument "b"'],
    [["send", "demo/run"], '"demo/run" is not NAMESPACE/RUN/STEP'],
    [["recv", "demo/run/a", "--generation", "0"], "--generation is a whole number from 1"],
    [["bindings", "--output"], "flag --output needs a value"],
    [["version", "--output=xml"], "--output is one of text, json"],
  ];
  for (const [argv, message] of cases) {
    const { code, out, err } = await run(argv);
    assert.is(code, 2, argv.join(" "));
    assert.is(out, "");
    assert.ok(err.includes(message), `${argv.join(" ")}: ${err}`);
  }
});

cli("version says version, protocol and runtime, also as JSON", async () => {
  assert.match((await run(["version"])).out, /^bobravoz \d+\.\d+\.\d+, transport protocol 1\.0\.0, on (node|deno) /);
  assert.equal(Object.keys(JSON.parse((await run(["version", "--output", "json"])).out)), [
    "version",
    "protocol",
    "runtime",
  ]);
});

cli("inspect shows the way of each edge of the voice Story with its reason", async () => {
  const { code, out } = await run(["inspect", join(voice, "story.yaml")]);
  assert.is(code, 0);
  assert.match(out, /mic ─> vad +p2p +SingleDownstream +1 hop, decodes nothing/);
  assert.match(out, /vad ─> segmenter +hub +SeveralDownstreams +2 hops, decodes metadata/);
  assert.not.match(out, "differ");
});

cli("inspect answers JSON, Mermaid and Graphviz", async () => {
  const path = join(voice, "story.yaml");
  const { stories } = JSON.parse((await run(["inspect", path, "--output", "json"])).out);
  assert.is(stories.length, 1);
  assert.equal(stories[0].faults, []);
  assert.equal(stories[0].edges[0].reason, "SingleDownstream");
  const mermaid = (await run(["inspect", path, "--output", "mermaid"])).out;
  assert.match(mermaid, /^flowchart LR\n/);
  assert.match(mermaid, '==>|"p2p: SingleDownstream"|');
  const dot = (await run(["inspect", path, "--output", "dot"])).out;
  assert.match(dot, /^digraph stories \{/);
  assert.match(dot, 'label="hub: SeveralDownstreams"');
});

cli("inspect shows where effective settings are not the published ones", async ({ folder }) => {
  await writeFile(
    join(folder, "world.yaml"),
    transport.replace("spec: {", "spec: { streaming: { flowControl: { mode: none } },") + "---\n" + engram,
  );
  await writeFile(join(folder, "story.yaml"), story(a + b));
  const { code, out } = await run(["inspect", folder]);
  assert.is(code, 0);
  assert.match(out, /flowControl\.mode +"credits" +"none"/);
});

cli("inspect refuses a Story with every reason, and still shows what was decided", async ({ folder }) => {
  const conditional = "    - { name: d, ref: { name: nobody }, needs: [b], if: 'true' }\n";
  const path = await write(folder, story(a + b + conditional));
  const { code, out } = await run(["inspect", path]);
  assert.is(code, 3);
  assert.match(out, /refused, UnknownEngram: .*demo\/nobody/);
  assert.match(out, /refused, NotSupported: spec\.steps\[2\]\.if/);
  assert.match(out, /a ─> b/);
});

cli("inspect names file, line and column of a broken manifest", async ({ folder }) => {
  const path = await write(folder, story(a + "    - { name: b, ref: { name: any }, needs: nothing }\n"));
  const { code, err } = await run(["inspect", path]);
  assert.is(code, 3);
  assert.match(err, /story\.yaml:9:\d+: .*needs/);
});

cli("inspect says that a file is not there, or holds no Story", async ({ folder }) => {
  const missing = await run(["inspect", join(folder, "none.yaml")]);
  assert.is(missing.code, 4);
  assert.match(missing.err, "none.yaml");
  await writeFile(join(folder, "world.yaml"), transport);
  const empty = await run(["inspect", join(folder, "world.yaml")]);
  assert.is(empty.code, 4);
  assert.match(empty.err, "no Story in");
});

cli("inspect assumes what a lone Story refers to, and says so", async ({ folder }) => {
  await writeFile(join(folder, "story.yaml"), story(a + b));
  const { code, out } = await run(["inspect", join(folder, "story.yaml")]);
  assert.is(code, 0);
  assert.match(out, "assumed to be a deployment");
});

cli("inspect is told of a broken neighbour and goes on", async ({ folder }) => {
  const path = await write(folder, story(a + b));
  await writeFile(join(folder, "broken.yaml"), "kind: [");
  const { code, out, err } = await run(["inspect", path]);
  assert.is(code, 0);
  assert.match(out, "a ─> b");
  assert.match(err, "broken.yaml:1:");
});

cli("what is not there to answer is said with the address", async () => {
  const { code, err } = await run(["bindings", "--discovery", "127.0.0.1:1"]);
  assert.is(code, 5);
  assert.match(err, "nothing answers at 127.0.0.1:1");
  const wrong = await run(["bindings"], { env: { BOBRAVOZ_DISCOVERY_ENDPOINT: "nowhere" } });
  assert.is(wrong.code, 2);
  assert.match(wrong.err, 'address "nowhere" is not host:port');
});

cli("send and recv are steps: what one writes the other prints, and it is counted", async ({ folder }) => {
  await write(folder, story(a + b + c));
  const { address, err, stop } = await local(folder);
  try {
    const receiver = new Command(["recv", "demo/chat-local/b", "--hub", address, "--count", "2"]);
    const lines = ['{"metadata":{"type":"chat.message.v1"},"payload":{"text":"one"}}\n\n{"te', 'xt":"two"}'];
    const sent = await run(["send", "demo/chat-local/a", "--hub", address], { stdin: lines });
    assert.is(sent.code, 0, sent.err);
    assert.match(sent.err, "2 packets sent");
    assert.is(await within(5_000, "recv ends", receiver.done), 0, receiver.err);
    const packets = receiver.out.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.equal(packets.map((packet) => packet.payload), [{ text: "one" }, { text: "two" }]);
    assert.is(packets[0].metadata.type, "chat.message.v1");

    const { out } = await run(["bindings", "demo/chat-local", "--discovery", address]);
    assert.match(out, /demo\/chat-local\/a +READY/);
    assert.match(out, /a ─> b +hub +SeveralDownstreams +2 +2 +0 +0/);
    // Nobody has connected as c: what is for it waits.
    assert.match(out, /a ─> c +hub +SeveralDownstreams +2 +0 +2 +0/);
    const json = JSON.parse((await run(["bindings", "--discovery", address, "--output", "json"])).out);
    assert.equal(json.bindings.map((each: { binding: { step: string } }) => each.binding.step), ["a", "b", "c"]);
  } finally {
    assert.is(await stop(), 0);
  }
  assert.match(err(), "stopped, 0 packets dropped before, and 2 packets in buffers lost now\n");
});

cli("send names the line that is no packet, and a step's refusal at once", async ({ folder }) => {
  await write(folder, story(a + b + c));
  const { address, stop } = await local(folder);
  try {
    const target = ["send", "demo/chat-local/a", "--hub", address];
    const bad = await run(target, { stdin: ['{"payload":{}}\n{"payload":{},"text":1}\n'] });
    assert.is(bad.code, 3);
    assert.match(bad.err, 'line 2: "text" is no field of a packet');
    const newer = await run([...target, "--generation", "2"], { stdin: ['{"n":1}'] });
    assert.is(newer.code, 0, newer.err);
    assert.match(newer.err, "1 packet sent");
    const stale = await run(target, { stdin: ['{"n":1}'] });
    assert.is(stale.code, 1);
    assert.match(stale.err, "StaleGeneration");
    for (const command of ["send", "recv"]) {
      const misspelt = await run([command, "demo/chat-local/aa", "--hub", address], { stdin: ['{"n":1}'] });
      assert.is(misspelt.code, 4);
      assert.match(misspelt.err, 'StoryRun demo/chat-local has no step "aa"; did you mean "a"? (UnknownStep)');
      const other = await run([command, "demo/chat-local/quite-another", "--hub", address], { stdin: ['{"n":1}'] });
      assert.match(other.err, 'no step "quite-another" (it has a, b, c)');
    }
    const unknown = await run(["bindings", "demo/nobody", "--discovery", address]);
    assert.is(unknown.code, 4);
  } finally {
    await stop();
  }
});

cli("recv ends with 0 when it is interrupted", async ({ folder }) => {
  await write(folder, story(a + b + c));
  const { address, stop } = await local(folder);
  try {
    const receiver = new Command(["recv", "demo/chat-local/c", "--hub", address]);
    await run(["send", "demo/chat-local/a", "--hub", address], { stdin: ['{"n":1}'] });
    await receiver.signal.until("a packet", () => receiver.out.includes('{"n":1}'));
    receiver.interrupt();
    assert.is(await within(5_000, "recv ends", receiver.done), 0);
  } finally {
    await stop();
  }
});

cli("bindings --watch lists again when a Story changes", async ({ folder }) => {
  await write(folder, story(a + b));
  const { address, stop } = await local(folder);
  const watch = new Command(["bindings", "demo/chat-local", "--discovery", address, "--watch"]);
  try {
    await watch.signal.until("the first list", () => watch.out.includes("a ─> b"));
    assert.match(watch.out, /a ─> b +p2p, now hub +PeerListenerMissing/);
    await writeFile(join(folder, "story.yaml"), story(a + b + c));
    await watch.signal.until("the second list", () => /a ─> b +hub +SeveralDownstreams/.test(watch.out));
  } finally {
    watch.interrupt();
    assert.is(await within(5_000, "watch ends", watch.done), 0);
    await stop();
  }
});

cli("local says what is wrong with a folder before anything runs", async ({ folder }) => {
  const missing = await run(["local", join(folder, "none")]);
  assert.is(missing.code, 4);
  assert.match(missing.err, "none");
  await mkdir(join(folder, "empty"));
  await writeFile(join(folder, "empty", "story.yaml"), "apiVersion: bubustack.io/v1alpha1\nkind: Story\nspec: {}\n");
  const broken = await run(["local", join(folder, "empty")]);
  assert.is(broken.code, 3);
  assert.match(broken.err, /story\.yaml:\d+:\d+: /);
});

cli.run();
