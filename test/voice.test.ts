/** The voice Story as `npm start` runs it: real programs, real sockets. */
import { spawn } from "node:child_process";
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Command } from "./support/command.ts";
import { within } from "./support/deadline.ts";

const voice = suite<{ folder: string }>("voice example");
const example = fileURLToPath(new URL("../examples/voice/", import.meta.url));
const bobravoz = fileURLToPath(new URL("../src/bin/bobravoz.ts", import.meta.url));
const frameMs = 20;
/** Frames of speech.wav, and the packet that says that there are no more. */
const packets = 365;

interface Segments {
  readonly frames: number;
  readonly segments: readonly { readonly startMs: number; readonly endMs: number }[];
}

interface BindingsJson {
  readonly bindings: readonly {
    readonly binding: {
      readonly step: string;
      readonly version: string;
      readonly downstreams?: readonly { readonly to: string; readonly effective: string; readonly reason: string }[];
      readonly transportBinding: string;
    };
    readonly ackedVersion?: string;
    readonly connectorGeneration?: number;
    readonly edges?: readonly {
      readonly from: string;
      readonly to: string;
      readonly mode: string;
      readonly received?: string;
      readonly delivered?: string;
    }[];
  }[];
}

/** The example's manifests in a folder of their own, so that an edit stays here; programs are those of the example. */
voice.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "bobravoz-voice-"));
  for (const file of await readdir(example)) {
    if (file.endsWith(".yaml")) await copyFile(join(example, file), join(context.folder, file));
  }
  const path = join(context.folder, "engrams.yaml");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replaceAll("node engrams/", `node ${join(example, "engrams")}/`));
});
voice.after.each(async ({ folder }) => {
  await rm(folder, { recursive: true, force: true });
});

function start(folder: string, ...flags: string[]): Command {
  const env = { PATH: process.env["PATH"] ?? "" };
  return new Command(["local", folder, "--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", ...flags], { env });
}

async function addressOf(local: Command): Promise<string> {
  const look = () => /listen on ([^\s,]+)/.exec(local.err)?.[1];
  return await local.signal.until("the hub listens", look, 10_000);
}

async function json<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, "utf8")) as T;
}

async function assertSegments(folder: string): Promise<void> {
  const written = await json<Segments>(join(folder, ".bobravoz", "out", "segments.json"));
  const expected = await json<Segments>(join(example, "expected.json"));
  assert.is(written.frames, expected.frames);
  assert.is(written.segments.length, expected.segments.length);
  for (const [i, { startMs, endMs }] of expected.segments.entries()) {
    assert.ok(Math.abs(written.segments[i]!.startMs - startMs) <= frameMs, `start of segment ${i + 1}`);
    assert.ok(Math.abs(written.segments[i]!.endMs - endMs) <= frameMs, `end of segment ${i + 1}`);
  }
}

/** Numbers of an edge in the summary: received, delivered, buffered, dropped. */
function summaryOf(output: string, edge: string): number[] {
  const line = output.split("\n").findLast((each) => each.startsWith(`${edge} `)) ?? "";
  return line.slice(edge.length).trim().split(/\s+/).slice(1, 5).map(Number);
}

/** The binding of `mic` with its counters, as `bobravoz bindings` tells it. */
async function micBinding(address: string): Promise<BindingsJson["bindings"][number]> {
  const command = new Command(["bindings", "demo/voice-local", "--discovery", address, "--output", "json"]);
  assert.is(await within(5_000, "bindings", command.done), 0, command.err);
  const { bindings } = JSON.parse(command.out) as BindingsJson;
  return bindings.find((each) => each.binding.step === "mic")!;
}

/** Packets that an edge has carried, by its modes: `{ EDGE_MODE_P2P: 365 }`. */
function carried({ edges = [] }: BindingsJson["bindings"][number], from: string, to: string): Record<string, number> {
  const own = edges.filter((edge) => edge.from === from && edge.to === to && Number(edge.received ?? 0) > 0);
  return Object.fromEntries(own.map(({ mode, received }) => [mode, Number(received)]));
}

/** A connector that is started by hand with these variables. Answers its exit code and what it said. */
async function connector(env: Record<string, string>): Promise<{ code: number | null; text: string }> {
  const args = "Deno" in globalThis ? ["run", "--no-check", "-A"] : [];
  const child = spawn(process.execPath, [...args, bobravoz, "connector"], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Uint8Array) => text += bytes);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  try {
    return { code: await within(20_000, "the connector ends", ended), text };
  } finally {
    child.kill("SIGKILL");
  }
}

voice("--fast --once ends with 0: nothing dropped or buffered, segments as expected", async ({ folder }) => {
  const local = start(folder, "--fast", "--once");
  const code = await within(40_000, "the Story ends", local.done);
  assert.is(code, 0, local.err + local.out);
  await assertSegments(folder);
  for (const edge of ["mic ─> vad", "vad ─> segmenter", "vad ─> meter"]) {
    assert.equal(summaryOf(local.out, edge), [packets, packets, 0, 0], edge);
  }
  const { segments } = await json<Segments>(join(example, "expected.json"));
  assert.equal(summaryOf(local.out, "segmenter ─> writer"), [segments.length + 1, segments.length + 1, 0, 0]);
  assert.match(local.out, "every packet is accounted for");
});

voice(
  "every packet of the peer-to-peer edge goes from connector to connector, none through the hub",
  async ({ folder }) => {
    const local = start(folder, "--fast");
    try {
      const address = await addressOf(local);
      await local.signal.until("the meter's last second", () => local.out.includes("meter | second 8:"), 20_000);
      assert.match(local.out, `vad | 254 of ${packets - 1} frames with speech`);
      assert.equal(carried(await micBinding(address), "mic", "vad"), { EDGE_MODE_P2P: packets });
      const health = /http:\/\/\S+/.exec(local.err)?.[0];
      const metrics = await (await fetch(`${health}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
      assert.is(receivedFor(metrics, "vad"), 0);
      assert.is(receivedFor(metrics, "meter"), packets);
    } finally {
      local.interrupt();
      await within(10_000, "local ends", local.done);
    }
  },
);

voice("an edit at real time moves an edge to the hub, is acknowledged, and no frame is lost", async ({ folder }) => {
  const local = start(folder);
  try {
    const address = await addressOf(local);
    // Frames flow directly.
    await local.signal.until("the first seconds", () => local.out.includes("meter | second 1:"), 20_000);
    const before = await micBinding(address);
    assert.equal(before.binding.downstreams?.map((edge) => edge.effective), ["EDGE_MODE_P2P"]);
    assert.is(before.ackedVersion, before.binding.version);

    const path = join(folder, "story.yaml");
    const story = await readFile(path, "utf8");
    await writeFile(
      path,
      story + "    - { name: spare, ref: { name: level-meter }, needs: [mic], transport: audio }\n",
    );
    await local.signal.until("packets at the new step", () => local.out.includes("spare | second"), 20_000);
    const after = await micBinding(address);
    assert.equal(after.binding.downstreams?.map((edge) => edge.effective), ["EDGE_MODE_HUB", "EDGE_MODE_HUB"]);
    assert.is(after.binding.downstreams?.[0]?.reason, "SeveralDownstreams");
    assert.is.not(after.binding.version, before.binding.version);
    assert.is(after.ackedVersion, after.binding.version);
    assert.is(after.connectorGeneration, before.connectorGeneration);

    const text = new Command(["bindings", "demo/voice-local/mic", "--discovery", address]);
    await within(5_000, "bindings", text.done);
    assert.match(text.out, /mic ─> vad +hub +SeveralDownstreams/);
    assert.ok(text.out.includes(after.ackedVersion!.replace(/^sha256:/, "").slice(0, 12)));

    // A connector whose step discovery does not know fails and says so: there is no other source for its binding.
    const stray = await connector({
      BUBU_POD_NAMESPACE: "demo",
      BUBU_STORYRUN_ID: "nobody",
      BUBU_STEP_NAME: "mic",
      BUBU_CONNECTOR_GENERATION: "1",
      BUBU_GRPC_PORT: "1",
      BUBU_GRPC_HUB_DIAL_TIMEOUT: "1s",
      BOBRAVOZ_DISCOVERY_ENDPOINT: address,
      BOBRAVOZ_HUB_ENDPOINT: address,
    });
    assert.is(stray.code, 1);
    assert.match(stray.text, /"connector gives up".*"reason":"NotFound"/);

    await local.signal.until("the last segment", () => /writer \| \d+ segments of/.test(local.out), 20_000);
    await assertSegments(folder);
    const ways = carried(await micBinding(address), "mic", "vad");
    const { EDGE_MODE_P2P: direct = 0, EDGE_MODE_HUB: hub = 0 } = ways;
    assert.ok(direct > 0 && hub > 0 && direct + hub === packets, JSON.stringify(ways));
  } finally {
    local.interrupt();
    assert.is(await within(10_000, "local ends", local.done), 0);
  }
});

/** Packets that the hub itself has taken for a step, from its metrics. */
function receivedFor(metrics: string, step: string): number {
  const line = metrics.split("\n").find((each) =>
    each.startsWith("bobravoz_grpc_messages_received_total{") && each.includes(`step="${step}"`)
  );
  return Number(line?.slice(line.lastIndexOf(" ")) ?? NaN);
}

voice.run();
