/** The engram of docs/engram.md as a reader would set it up: its files in a folder of their own, the library linked. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { writeEnvelopeFrame } from "../src/contract/packet-envelope.ts";
import { Command } from "./support/command.ts";
import { within } from "./support/deadline.ts";
import { ScriptedConnector } from "./support/scripted-connector.ts";
import { root } from "./support/tools.ts";

const it = suite<{ folder: string }>("docs/engram.md");

it.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "bobravoz-engram-"));
});
it.after.each(async ({ folder }) => {
  await rm(folder, { recursive: true, force: true });
});

/** The first block of a language, without its fence. */
function block(text: string, language: string): string {
  return new RegExp("```" + language + "\\n([^]*?)```").exec(text)?.[1] ?? "";
}

/** A folder in which a program finds the library: what `npm install PATH` leaves. */
async function linkLibrary(folder: string): Promise<void> {
  await writeFile(join(folder, "package.json"), `{"type": "module", "dependencies": {"bobravoz": "*"}}\n`);
  await mkdir(join(folder, "node_modules"));
  await symlink(root, join(folder, "node_modules", "bobravoz"));
}

it("the engram has at most 30 lines, and answers through the CLI", async ({ folder }) => {
  const text = await readFile(join(root, "docs", "engram.md"), "utf8");
  const program = block(text, "ts");
  assert.ok(program.split("\n").length <= 31, `${program.split("\n").length} lines`);
  const isDeno = "Deno" in globalThis;
  const story = block(text, "yaml");
  assert.match(story, "local-command: node upper.ts");
  await writeFile(join(folder, "upper.ts"), program);
  await writeFile(join(folder, "story.yaml"), isDeno ? story.replace("node upper", "deno run -A upper") : story);
  await linkLibrary(folder);

  const env = { PATH: `${join(root, "node_modules", ".bin")}:${process.env["PATH"]}` };
  const anyPorts = ["--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"];
  const local = new Command(["local", folder, ...anyPorts], { env });
  try {
    const address = await local.signal.until("the hub", () => /listen on ([^\s,]+)/.exec(local.err)?.[1], 10_000);
    const hear = new Command(["recv", "default/shout-local/hear", "--hub", address]);
    const stdin = ["hello", "bye"].map((text) => `{"payload": {"text": "${text}"}}\n`);
    const say = new Command(["send", "default/shout-local/say", "--hub", address], { stdin });
    try {
      assert.is(await within(20_000, "the packets are sent", say.done), 0, say.err);
      await local.signal.until("goodbye", () => local.out.includes("upper | said goodbye"), 20_000);
      await hear.signal.until("both answers", () => hear.out.trim().split("\n").length === 2, 10_000);
      const answers = hear.out.trim().split("\n").map((line) => JSON.parse(line).payload);
      assert.equal(answers, [{ text: "HELLO?", from: "upper" }, { text: "BYE?", from: "upper" }]);
    } finally {
      hear.interrupt();
      await within(5_000, "recv ends", hear.done);
    }
  } finally {
    local.interrupt();
    await within(15_000, "local ends", local.done);
  }
});

it("the engram of README answers its connector", async ({ folder }) => {
  const program = block(await readFile(join(root, "README.md"), "utf8"), "ts");
  await writeFile(join(folder, "heard.ts"), program);
  await linkLibrary(folder);
  await using connector = await ScriptedConnector.listen();
  const args = "Deno" in globalThis ? ["run", "-A", "heard.ts"] : ["heard.ts"];
  const env = { PATH: process.env["PATH"] ?? "", ...connector.env() };
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: "ignore" });
  try {
    await connector.until("the handshake", () => connector.control[0]?.heard[0], 15_000);
    connector.sendData({ frame: { case: "binary", value: writeEnvelopeFrame({ payload: `"hello"` }) } });
    const answer = await connector.until("an answer", () => connector.data[0]?.heard[0]);
    assert.equal(answer.payload, { heard: "hello" });
  } finally {
    child.kill("SIGKILL");
  }
});

it.run();
