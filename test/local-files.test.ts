/** A folder of manifests that is edited while it runs. */
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../src/adapters/clock.ts";
import { FilesCluster } from "../src/adapters/cluster/files.ts";
import { faultText, type ManifestFault } from "../src/adapters/cluster/manifests.ts";
import { isTransportError } from "../src/contract/errors.ts";
import { silentLog } from "../src/contract/runtime.ts";
import type { RunDecision } from "../src/control/decisions.ts";
import { Control } from "../src/control/loop.ts";
import { Signal, within } from "./support/deadline.ts";

const files = suite<{ folder: Folder }>("local files");

const transport = `apiVersion: transport.bubustack.io/v1alpha1
kind: Transport
metadata: { name: speech }
spec: { provider: bobravoz, driver: bobravoz-grpc, supportedBinary: [application/json] }
`;
const engrams = ["mic", "vad", "writer"].map((name) =>
  `apiVersion: bubustack.io/v1alpha1
kind: Engram
metadata: { name: ${name}, namespace: demo }
spec: { templateRef: { name: any }, mode: deployment }
`
).join("---\n");
const story = (steps: string) =>
  `apiVersion: bubustack.io/v1alpha1
kind: Story
metadata: { name: voice, namespace: demo }
spec:
  pattern: realtime
  transports: [{ name: main, transportRef: speech }]
  steps:
${steps}`;
const mic = "    - { name: mic, ref: { name: mic } }\n";
const vad = "    - { name: vad, ref: { name: vad }, needs: [mic] }\n";
const writer = "    - { name: writer, ref: { name: writer }, needs: [vad] }\n";

/** A temporary folder, and a control loop over it that can be stopped and started again. */
class Folder {
  readonly directory: string;
  readonly signal = new Signal();
  faults: readonly ManifestFault[] = [];
  cluster!: FilesCluster;
  control!: Control;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(directory: string) {
    this.directory = directory;
  }

  async start(): Promise<void> {
    this.#stop = new AbortController();
    this.cluster = new FilesCluster({
      directory: this.directory,
      clock: systemClock,
      log: silentLog,
      onFaults: (faults) => {
        this.faults = faults;
        this.signal.notify();
      },
    });
    const decide = { hubEndpoint: () => "127.0.0.1:9000" };
    this.control = new Control({
      cluster: this.cluster,
      clock: systemClock,
      log: silentLog,
      bindings: "create",
      decide,
    });
    this.control.subscribe(this.signal.notify);
    this.#running = this.control.run(this.#stop.signal);
    await within(5_000, "the first decisions", this.control.synced);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await within(5_000, "the loop settles", this.#running);
  }

  write(file: string, text: string): Promise<void> {
    return writeFile(join(this.directory, file), text);
  }

  decided(what: string, is: (decision: RunDecision) => boolean, run = "voice-local"): Promise<RunDecision> {
    return this.signal.until(what, () => {
      const decision = this.control.get("demo", run);
      return decision !== null && is(decision) && decision;
    });
  }

  /** Settles when a status file matches. */
  async content(file: string, pattern: RegExp): Promise<void> {
    const deadline = AbortSignal.timeout(5_000);
    while (!pattern.test(await readFile(join(this.directory, ".bobravoz", file), "utf8").catch(() => ""))) {
      deadline.throwIfAborted();
    }
  }

  /** Status files, once they are those. */
  async status(names: readonly string[]): Promise<void> {
    const deadline = AbortSignal.timeout(5_000);
    for (;;) {
      deadline.throwIfAborted();
      const seen = await readdir(join(this.directory, ".bobravoz")).catch((): string[] => []);
      if (
        names.every((name) => seen.includes(name)) && seen.filter((f) => f.endsWith(".yaml")).length === names.length
      ) {
        return;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const steps = (decision: RunDecision) => decision.bindings.map(({ step }) => step).join();
const bindingFile = (step: string) => `transportbinding.demo.voice-local-${step}-transport.yaml`;
const runFile = "storyrun.demo.voice-local.yaml";

files.before.each(async (context) => {
  const folder = context.folder = new Folder(await mkdtemp(join(tmpdir(), "bobravoz-local-")));
  await folder.write("transport.yaml", transport);
  await folder.write("engrams.yml", engrams);
  await folder.write("story.yaml", story(mic + vad));
});
files.after.each(async ({ folder }) => {
  await folder.stop();
  await rm(folder.directory, { recursive: true });
});

files("a Story without a run gets one, and its bindings stand beside the manifests", async ({ folder }) => {
  await folder.start();
  assert.is(steps(await folder.decided("two steps", (d) => d.failure === null)), "mic,vad");
  await folder.status([bindingFile("mic"), bindingFile("vad"), runFile]);
  const text = await readFile(join(folder.directory, ".bobravoz", bindingFile("mic")), "utf8");
  assert.match(text, /upstreamHost: voice-local-vad\.demo/);
  assert.is(await readFile(join(folder.directory, "story.yaml"), "utf8"), story(mic + vad));
});

files("an edit is decided anew; a step that goes takes its binding along", async ({ folder }) => {
  await folder.start();
  await folder.write("story.yaml", story(mic + vad + writer));
  await folder.decided("three steps", (d) => steps(d) === "mic,vad,writer");
  await folder.write("story.yaml", story(mic + writer.replace("[vad]", "[mic]")));
  const last = await folder.decided("the edge is another one", (d) => steps(d) === "mic,writer");
  assert.equal(last.topology?.edges.map(({ from, to }) => `${from}-${to}`), ["mic-writer"]);
  assert.is(last.plan.storyGeneration, 3);
  await folder.status([bindingFile("mic"), bindingFile("writer"), runFile]);
});

files("an editor that writes a copy and renames it is followed", async ({ folder }) => {
  await folder.start();
  for (const text of [mic + vad + writer, mic + vad]) {
    await folder.write(".story.yaml.swp", story(text));
    await rename(join(folder.directory, ".story.yaml.swp"), join(folder.directory, "story.yaml"));
    await folder.decided("the copy", (d) => steps(d) === (text.includes("writer") ? "mic,vad,writer" : "mic,vad"));
  }
});

files("a broken edit names file, line and column, and leaves what was in force", async ({ folder }) => {
  await folder.start();
  await folder.write("story.yaml", story(mic + vad.replace("needs: [mic]", "needz: [mic]") + "    - name: [\n"));
  await folder.signal.until("the fault", () => folder.faults.length > 0);
  assert.match(faultText(folder.faults[0]!), /^story\.yaml:\d+:\d+: /);
  assert.is(steps(folder.control.get("demo", "voice-local")!), "mic,vad");
  const event = folder.cluster.events.find(({ reason }) => reason === "BadManifest");
  assert.match(event?.message ?? "", /^story\.yaml:\d+:\d+: .*; the last good version stays in force$/);

  await folder.write("story.yaml", story(mic + vad.replace("needs: [mic]", "needs: [ghost]")));
  await folder.signal.until("the other fault", () => folder.faults.some(({ message }) => message.includes("ghost")));
  assert.equal(folder.faults.map(faultText), [
    'story.yaml:9:48: step "vad" needs "ghost", which is no step of this Story',
  ]);

  await folder.write("story.yaml", story(mic + vad + writer));
  await folder.decided("the repaired edit", (d) => steps(d) === "mic,vad,writer");
  assert.equal(folder.faults, []);
});

files("an edit that the topology refuses leaves the decision before in force", async ({ folder }) => {
  await folder.start();
  await folder.write("story.yaml", story(mic.replace("ref:", "needs: [vad], ref:") + vad));
  const kept = await folder.decided("the refusal", (d) => d.lastFault !== null);
  assert.equal([kept.lastFault?.reason, steps(kept), kept.failure], ["Cycle", "mic,vad", null]);
});

files("a file that is gone takes its objects along, one that is added brings its own", async ({ folder }) => {
  await folder.start();
  await folder.write(
    "run.json",
    JSON.stringify({
      apiVersion: "runs.bubustack.io/v1alpha1",
      kind: "StoryRun",
      metadata: { name: "mine", namespace: "demo" },
      spec: { storyRef: { name: "voice" } },
    }),
  );
  await folder.decided("a run of one's own", (d) => d.failure === null, "mine");
  await folder.signal.until("no made-up run", () => folder.control.get("demo", "voice-local") === null);
  await rm(join(folder.directory, "run.json"));
  await folder.decided("the made-up run again", (d) => d.failure === null);
});

files("bindings survive a restart, those of removed steps do not", async ({ folder }) => {
  await folder.write("story.yaml", story(mic + vad + writer));
  await folder.start();
  await folder.status([bindingFile("mic"), bindingFile("vad"), bindingFile("writer"), runFile]);
  const uid = folder.cluster.get("TransportBinding", "demo", "voice-local-mic-transport")?.metadata.uid;
  await folder.stop();
  await folder.write("story.yaml", story(mic + vad));
  await folder.start();
  await folder.status([bindingFile("mic"), bindingFile("vad"), runFile]);
  assert.is(folder.cluster.get("TransportBinding", "demo", "voice-local-mic-transport")?.metadata.uid, uid);
});

files("status files are written when they change and not else", async ({ folder }) => {
  await folder.start();
  await folder.status([bindingFile("mic"), bindingFile("vad"), runFile]);
  await folder.content(runFile, /type: TransportReady[^-]*status: "True"/);
  const inode = async () => (await stat(join(folder.directory, ".bobravoz", bindingFile("vad")))).ino;
  const before = await inode();
  await folder.write("engrams.yml", engrams + "---\n" + engrams.split("---\n")[0]!.replace(": mic", ": other"));
  folder.control.touch("demo", "voice-local");
  await folder.write("story.yaml", story(mic + vad.replace("needs", "with: { a: 1 }, needs")));
  await folder.decided("the edit", (d) => d.plan.storyGeneration === 2);
  await folder.content(runFile, /observedGeneration/);
  assert.is(await inode(), before);
});

files("the same object in two files is a fault of the second", async ({ folder }) => {
  await folder.start();
  await folder.write("zz.yaml", transport);
  await folder.signal.until("the fault", () => folder.faults.length > 0);
  assert.equal(folder.faults.map(faultText), [
    'zz.yaml:3:13: Transport "speech" is declared in transport.yaml:3 already',
  ]);
});

files("a folder that is not there is refused by name", async ({ folder }) => {
  await folder.start();
  const directory = join(folder.directory, "no-such");
  const gone = new FilesCluster({ directory, clock: systemClock, log: silentLog });
  const refused = await gone.load().then(() => null, (error: unknown) => error);
  assert.ok(isTransportError(refused, "NotFound"));
  assert.match((refused as Error).message, /no-such: ENOENT/);
});

files.run();
