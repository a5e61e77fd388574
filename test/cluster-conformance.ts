/** What every `Cluster` does, whatever stands behind it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Kind } from "../src/contract/names.ts";
import type { Condition, JsonObject, Resource, StoryRun } from "../src/contract/resources.ts";
import type { Cluster, ClusterEvent } from "../src/control/cluster.ts";
import { MemoryWorld } from "../src/control/world.ts";
import { Signal, within } from "./support/deadline.ts";
import { binding, story, storyRun, transport } from "./support/objects.ts";

/** A cluster under test, and the user beside it. */
export interface ClusterSubject {
  readonly cluster: Cluster;
  put(object: Resource): Promise<void>;
  remove(kind: Kind, namespace: string, name: string): Promise<void>;
  close(): Promise<void>;
}

/** Runs the suite over clusters that `open` makes, one for each test. */
export function clusterConformance(name: string, open: () => Promise<ClusterSubject>): void {
  const cluster = suite<{ subject: ClusterSubject; seen: Seen }>(`cluster: ${name}`);

  cluster.before.each(async (context) => {
    context.subject = await open();
    context.seen = new Seen(context.subject.cluster);
  });
  cluster.after.each(async (context) => {
    await within(5_000, "the watch settles when its signal fires", context.seen.stop());
    await context.subject.close();
  });

  cluster("what is there is listed, then comes synced, then what changes", async ({ subject, seen }) => {
    await subject.put(transport("speech"));
    await subject.put(story("voice", ["a", "b[a]"]));
    await subject.put(storyRun("voice-1", "voice"));
    seen.start();
    await seen.signal.until("synced", () => seen.events.some((event) => event.type === "synced"));
    const listed = seen.events.findIndex((event) => event.type === "synced");
    assert.equal(seen.kinds(0, listed).sort(), ["Story voice", "StoryRun voice-1", "Transport speech"]);
    await subject.put(transport("other"));
    await seen.signal.until("the new Transport", () => seen.world.get("Transport", "", "other"));
    await subject.remove("Transport", "", "other");
    await seen.signal.until("the Transport gone", () => seen.world.get("Transport", "", "other") === undefined);
    assert.is(seen.events.filter((event) => event.type === "synced").length, 1);
  });

  cluster("objects get a uid, and a generation that follows the spec alone", async ({ subject, seen }) => {
    await subject.put(story("voice", ["a"]));
    seen.start();
    const first = await seen.object("Story", "voice");
    assert.ok(first.metadata.uid);
    assert.is(first.metadata.generation, 1);
    await subject.put(story("voice", ["a", "b[a]"]));
    const second = await seen.object("Story", "voice", (object) => object.metadata.generation === 2);
    assert.is(second.metadata.uid, first.metadata.uid);
    const annotated = story("voice", ["a", "b[a]"]);
    await subject.put({ ...annotated, metadata: { ...annotated.metadata, annotations: { note: "x" } } });
    const third = await seen.object("Story", "voice", (object) => object.metadata.annotations?.note === "x");
    assert.is(third.metadata.generation, 2);
  });

  cluster("create leaves an object alone that exists, delete one that does not", async ({ subject, seen }) => {
    const run = await seen.run(subject);
    const object = binding("voice-1-a-transport", run, "a");
    await subject.cluster.create(object, seen.stopping);
    const made = await seen.object("TransportBinding", "voice-1-a-transport");
    await subject.cluster.create({ ...object, spec: { ...object.spec, stepName: "z" } }, seen.stopping);
    await subject.cluster.delete("TransportBinding", "demo", "no-such", seen.stopping);
    await subject.cluster.delete("TransportBinding", "demo", "voice-1-a-transport", seen.stopping);
    await seen.gone("TransportBinding", "voice-1-a-transport");
    assert.is(made.spec.stepName, "a");
    assert.not(
      seen.events.some(({ type, ...event }) =>
        type === "upserted" && "object" in event && event.object.kind === "TransportBinding" &&
        event.object.spec.stepName === "z"
      ),
    );
  });

  cluster("replace changes labels, annotations and spec, and keeps uid and status", async ({ subject, seen }) => {
    const run = await seen.run(subject);
    const object = binding("voice-1-a-transport", run, "a");
    await subject.cluster.create(object, seen.stopping);
    await seen.apply(subject, "bobravoz-controller", { endpoint: "127.0.0.1:9000" });
    const before = await seen.object("TransportBinding", object.metadata.name, (b) => b.status?.endpoint !== undefined);
    const metadata = { ...object.metadata, annotations: { note: "x" } };
    const spec = { ...object.spec, rawSettings: { routing: { mode: "hub" } } };
    await subject.cluster.replace({ ...object, metadata, spec }, seen.stopping);
    const after = await seen.object("TransportBinding", object.metadata.name, (b) => b.spec.rawSettings !== undefined);
    assert.is(after.metadata.uid, before.metadata.uid);
    assert.is(after.metadata.generation, 2);
    assert.is(after.metadata.annotations?.note, "x");
    assert.is(after.status?.endpoint, "127.0.0.1:9000");
    await subject.cluster.replace({ ...object, metadata: { ...metadata, name: "no-such" } }, seen.stopping);
  });

  cluster("C-052 status of two managers merges, conditions by type", async ({ subject, seen }) => {
    const run = await seen.run(subject);
    await subject.cluster.create(binding("voice-1-a-transport", run, "a"), seen.stopping);
    const resolved = condition("EndpointResolved", "True");
    const ready = condition("Ready", "True");
    await seen.apply(subject, "bobravoz-controller", { endpoint: "hub:9000", conditions: [resolved] });
    await seen.apply(subject, "bobravoz-connector", { negotiatedBinary: "application/json", conditions: [ready] });
    const both = await seen.object(
      "TransportBinding",
      "voice-1-a-transport",
      (b) => b.status?.conditions?.length === 2,
    );
    assert.is(both.status?.endpoint, "hub:9000");
    await seen.apply(subject, "bobravoz-controller", { conditions: [resolved] });
    const without = await seen.object(
      "TransportBinding",
      "voice-1-a-transport",
      (b) => b.status?.endpoint === undefined,
    );
    assert.equal(without.status?.conditions?.map(({ type }) => type).sort(), ["EndpointResolved", "Ready"]);
    assert.is(without.status?.negotiatedBinary, "application/json");
  });

  cluster("C-054 a status that changes nothing is not written", async ({ subject, seen }) => {
    const run = await seen.run(subject);
    await subject.cluster.create(binding("voice-1-a-transport", run, "a"), seen.stopping);
    await seen.apply(subject, "bobravoz-controller", { endpoint: "hub:9000" });
    const { metadata } = await seen.object("TransportBinding", "voice-1-a-transport", (b) => b.status !== undefined);
    await seen.apply(subject, "bobravoz-controller", { endpoint: "hub:9000" });
    await seen.apply(subject, "bobravoz-connector", { negotiatedBinary: "application/json" });
    await seen.object("TransportBinding", "voice-1-a-transport", (b) => b.status?.negotiatedBinary !== undefined);
    const versions = seen.versions("TransportBinding", "voice-1-a-transport");
    assert.is(versions.length, new Set(versions).size);
    assert.is(versions.indexOf(metadata.resourceVersion), versions.length - 2, "one write after the first status");
  });

  cluster("a finalizer is taken off and the others stay, and nothing happens where it is not", async (context) => {
    const { subject, seen } = context;
    const run = storyRun("voice-1", "voice");
    const finalizers = ["example.com/first", "example.com/second"];
    await subject.put(transport("speech"));
    await subject.put(story("voice", ["a"]));
    await subject.put({ ...run, metadata: { ...run.metadata, finalizers } });
    seen.start();
    await seen.object("StoryRun", "voice-1");
    const take = (finalizer: string, name = "voice-1") =>
      subject.cluster.removeFinalizer("StoryRun", "demo", name, finalizer, seen.stopping);
    await take("example.com/first");
    const after = await seen.object("StoryRun", "voice-1", (object) => object.metadata.finalizers?.length === 1);
    assert.equal(after.metadata.finalizers, ["example.com/second"]);
    await take("example.com/first");
    await take("example.com/first", "no-such");
    await take("example.com/second");
    await seen.object("StoryRun", "voice-1", (object) => (object.metadata.finalizers ?? []).length === 0);
  });

  cluster("what an object owned goes with it", async ({ subject, seen }) => {
    const run = await seen.run(subject);
    await subject.cluster.create(binding("voice-1-a-transport", run, "a"), seen.stopping);
    await seen.object("TransportBinding", "voice-1-a-transport");
    await subject.remove("StoryRun", "demo", "voice-1");
    await seen.gone("TransportBinding", "voice-1-a-transport");
  });

  cluster("a write under a signal that has fired is refused", async ({ subject, seen }) => {
    const run = await seen.run(subject);
    const aborted = AbortSignal.abort(new Error("stopping"));
    const refused = await subject.cluster.create(binding("x", run, "a"), aborted).then(() => null, (error) => error);
    assert.is(refused?.message, "stopping");
  });

  cluster("recording an event never throws", ({ subject }) => {
    const event = { kind: "StoryRun", namespace: "demo", name: "no-such", reason: "Any", message: "" } as const;
    subject.cluster.recordEvent({ ...event, type: "Normal" });
  });

  cluster.run();
}

/** A watch with a memory. */
class Seen {
  readonly events: ClusterEvent[] = [];
  readonly world = new MemoryWorld();
  readonly signal = new Signal();
  readonly #cluster: Cluster;
  readonly #stop = new AbortController();
  #watching: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get stopping(): AbortSignal {
    return this.#stop.signal;
  }

  start(): void {
    this.#watching = this.#cluster.watch((event) => {
      this.events.push(event);
      if (event.type === "upserted") this.world.upsert(event.object);
      else if (event.type === "deleted") {
        const { kind, metadata } = event.object;
        this.world.remove(kind, metadata.namespace, metadata.name);
      }
      this.signal.notify();
    }, this.stopping);
  }

  stop(): Promise<void> {
    this.#stop.abort();
    return this.#watching;
  }

  object<K extends Kind>(kind: K, name: string, is: (object: ResourceOf<K>) => boolean = () => true) {
    const namespace = kind === "Transport" ? "" : "demo";
    return this.signal.until(`${kind} ${name}`, () => {
      const object = this.world.get(kind, namespace, name) as ResourceOf<K> | undefined;
      return object !== undefined && is(object) && object;
    });
  }

  gone(kind: Kind, name: string): Promise<boolean> {
    return this.signal.until(`${kind} ${name} gone`, () => this.world.get(kind, "demo", name) === undefined);
  }

  kinds(from: number, to: number): string[] {
    return this.events.slice(from, to).flatMap((event) =>
      event.type === "synced" ? [] : [`${event.object.kind} ${event.object.metadata.name}`]
    );
  }

  versions(kind: Kind, name: string): (string | undefined)[] {
    return this.events.flatMap((event) =>
      event.type === "upserted" && event.object.kind === kind && event.object.metadata.name === name
        ? [event.object.metadata.resourceVersion]
        : []
    );
  }

  /** A StoryRun to hang bindings on. */
  async run(subject: ClusterSubject): Promise<StoryRun> {
    await subject.put(transport("speech"));
    await subject.put(story("voice", ["a"]));
    await subject.put(storyRun("voice-1", "voice"));
    this.start();
    return await this.object("StoryRun", "voice-1");
  }

  apply(subject: ClusterSubject, manager: string, status: object): Promise<void> {
    const [kind, name] = ["TransportBinding", "voice-1-a-transport"] as const;
    return subject.cluster.applyStatus(kind, "demo", name, manager, status as JsonObject, this.stopping);
  }
}

type ResourceOf<K extends Kind> = Extract<Resource, { kind: K }>;

function condition(type: string, status: Condition["status"]): Condition {
  return { type, status, reason: "Any", message: "", lastTransitionTime: "2026-01-01T00:00:00Z" };
}
