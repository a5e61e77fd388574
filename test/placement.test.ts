/** A controller, a follower of it and hubs that read the same cluster in memory: where runs are, and who says so. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MemoryCluster } from "../src/adapters/cluster/memory.ts";
import { silentLog } from "../src/contract/runtime.ts";
import { heldPlans, recordedPlace } from "../src/control/held-plans.ts";
import type { HubFleet } from "../src/control/fleet.ts";
import { Control } from "../src/control/loop.ts";
import { type HubPod, Placements } from "../src/control/placement.ts";
import { followHubs } from "../src/control/placing.ts";
import { HubScaler } from "../src/control/scaler.ts";
import { FakeClock, settle } from "./support/fake-clock.ts";
import { engram, story, storyRun, transport } from "./support/objects.ts";

const it = suite("placement over a cluster");

const address = (index: number) => `hub-${index}.hub-pods.sys.svc.cluster.local:9000`;

/** A StatefulSet that a test plays. */
class Fleet implements HubFleet {
  #onHubs: (hubs: readonly HubPod[], replicas: number) => void = () => {};
  replicas = 3;
  ready: readonly number[] = [];

  watch(onHubs: (hubs: readonly HubPod[], replicas: number) => void, signal: AbortSignal): Promise<void> {
    this.#onHubs = onHubs;
    this.set(this.ready);
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
  }

  scale(replicas: number): Promise<void> {
    this.replicas = replicas;
    this.set(this.ready);
    return Promise.resolve();
  }

  set(ready: readonly number[]): void {
    this.ready = ready;
    const pods = [0, 1, 2].map((index) => ({
      name: `hub-${index}`,
      address: address(index),
      ready: ready.includes(index),
    }));
    this.#onHubs(pods, this.replicas);
  }
}

class Bed {
  readonly clock = new FakeClock();
  readonly cluster = new MemoryCluster(this.clock);
  readonly fleet = new Fleet();
  readonly stop = new AbortController();
  readonly writes: string[] = [];
  readonly leader: Control;
  readonly follower: Control;
  readonly hubs: readonly { readonly control: Control; readonly plans: ReturnType<typeof heldPlans> }[];

  constructor(runs: number, scaleToZero = false) {
    for (const object of [transport("speech"), engram("mic"), engram("out"), story("voice", ["mic", "out[mic]"])]) {
      this.cluster.put(object);
    }
    for (let index = 0; index < runs; index++) this.cluster.put(storyRun(`run-${index}`, "voice"));
    this.leader = this.#controller(true, scaleToZero);
    this.follower = this.#controller(false, false);
    this.hubs = [0, 1, 2].map((index) => {
      const own = { address: address(index), first: address(0), isOnly: false };
      const control = new Control({
        ...this.#common,
        isLeader: () => false,
        decide: {
          hubEndpoint: () => own.address,
          hub: (world, namespace, run) => recordedPlace(world, namespace, run, own),
        },
      });
      void control.run(this.stop.signal);
      return { control, plans: heldPlans(control, own) };
    });
  }

  get #common() {
    return { cluster: this.cluster, clock: this.clock, log: silentLog, bindings: "create" as const };
  }

  #controller(isLeader: boolean, scaleToZero: boolean): Control {
    const placements = new Placements({
      first: address(0),
      service: () => "hub:9000",
      fixed: null,
      isLeader: () => isLeader,
    });
    const control = new Control({
      ...this.#common,
      isLeader: () => isLeader,
      decide: { hubEndpoint: () => "", hub: (world, namespace, run) => placements.endpoint(world, namespace, run) },
    });
    const scaler = scaleToZero
      ? new HubScaler({
        scale: (replicas) => this.fleet.scale(replicas),
        delayMs: () => 60_000,
        clock: this.clock,
        log: silentLog,
      })
      : null;
    void control.run(this.stop.signal);
    // a watch of its own for each: the test plays one fleet for both
    const fleet = isLeader ? this.fleet : new Follower(this.fleet);
    void followHubs({ control, placements, fleet, scaler }, this.stop.signal);
    return control;
  }

  /** Hub of each run as its bindings record it; two where they differ. */
  records(): Map<string, string> {
    const places = new Map<string, Set<string>>();
    for (const object of this.cluster.objects) {
      if (object.kind !== "TransportBinding") continue;
      const run = object.spec.storyRunRef!.name;
      places.set(run, (places.get(run) ?? new Set()).add(object.status?.endpoint ?? "none"));
    }
    return new Map([...places].map(([run, hubs]) => [run, [...hubs].join(" ")]));
  }

  /** Hub of each run as `control` decides it. */
  decided(control: Control): Map<string, string> {
    return new Map(
      control.runs().map((
        { storyRun, bindings },
      ) => [storyRun, [...new Set(bindings.map((b) => b.hubEndpoint))].join(" ")]),
    );
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 40; turn++) await settle();
  }
}

class Follower implements HubFleet {
  readonly #fleet: Fleet;
  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }
  watch(onHubs: (hubs: readonly HubPod[], replicas: number) => void, signal: AbortSignal): Promise<void> {
    const before = this.#fleet.set.bind(this.#fleet);
    this.#fleet.set = (ready) => {
      before(ready);
      const pods = [0, 1, 2].map((index) => ({
        name: `hub-${index}`,
        address: address(index),
        ready: ready.includes(index),
      }));
      onHubs(pods, this.#fleet.replicas);
    };
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
  }
  scale(): Promise<void> {
    throw new Error("a follower does not scale");
  }
}

const sorted = (map: Map<string, string>) => [...map].sort(([a], [b]) => a < b ? -1 : 1);

it("C-102 every run is recorded at one hub, leader, follower and hubs agree, and only a lost hub's runs move", async () => {
  const bed = new Bed(30);
  await bed.settle();
  assert.equal(new Set(bed.records().values()), new Set([address(0)]), "no hub is ready");
  for (const { state } of bed.leader.runs().flatMap(({ bindings }) => bindings)) assert.is(state, "HubStarting");
  for (const { control } of bed.hubs) {
    for (const { storyRun, bindings } of bed.leader.runs()) {
      assert.equal(control.get("demo", storyRun)?.bindings, bindings);
    }
  }
  bed.fleet.set([0, 1, 2]);
  await bed.settle();
  const before = bed.records();
  assert.is(new Set(before.values()).size, 3);
  const agree = () => {
    const records = sorted(bed.records());
    for (const control of [bed.leader, bed.follower, ...bed.hubs.map((hub) => hub.control)]) {
      assert.equal(sorted(bed.decided(control)), records);
      // to the last field, so that discovery gives the same version wherever it is asked
      for (const { storyRun, bindings } of bed.leader.runs()) {
        assert.equal(control.get("demo", storyRun)?.bindings, bindings);
      }
    }
    for (const [run, record] of records) {
      bed.hubs.forEach(({ plans }, index) => {
        const isHere = record === address(index);
        assert.equal(plans.holder("demo", run), isHere ? "here" : { owner: record });
        assert.is(plans.plan("demo", run) !== null, isHere);
      });
    }
  };
  agree();
  bed.fleet.set([0, 2]);
  await bed.settle();
  const after = bed.records();
  for (const [run, hub] of before) {
    if (hub === address(1)) assert.not.equal(after.get(run), hub);
    else assert.is(after.get(run), hub, `${run} moved`);
  }
  agree();
  bed.fleet.set([0, 1, 2]);
  await bed.settle();
  assert.equal(sorted(bed.records()), sorted(after), "nothing moves back");
  agree();
  bed.stop.abort();
});

it("reconciling again after a placement writes nothing", async () => {
  const bed = new Bed(5);
  bed.fleet.set([0, 1, 2]);
  await bed.settle();
  const versions = () => bed.cluster.objects.map(({ metadata }) => metadata.resourceVersion);
  const before = versions();
  bed.fleet.set([2, 1, 0]);
  for (const { namespace, storyRun } of bed.leader.runs()) bed.leader.touch(namespace, storyRun);
  await bed.settle();
  assert.equal(versions(), before);
  bed.stop.abort();
});

it("a run that comes wakes a hub, is served once it is ready, and when it is over the hub goes", async () => {
  const bed = new Bed(0, true);
  bed.fleet.replicas = 0;
  bed.fleet.set([]);
  await bed.settle();
  assert.is(bed.fleet.replicas, 0);
  bed.cluster.put(storyRun("run-0", "voice"));
  await bed.settle();
  assert.is(bed.fleet.replicas, 1);
  assert.is(bed.leader.get("demo", "run-0")?.bindings[0]?.state, "HubStarting");
  const condition = (type: string) =>
    bed.cluster.get("StoryRun", "demo", "run-0")?.status?.conditions?.find((each) => each.type === type);
  for (const type of ["TransportReady", "Ready"]) {
    assert.equal([condition(type)?.status, condition(type)?.reason], ["False", "HubStarting"], type);
  }
  bed.fleet.set([0]);
  await bed.settle();
  for (const type of ["TransportReady", "Ready"]) assert.is(condition(type)?.status, "True", type);
  assert.is(bed.leader.get("demo", "run-0")?.bindings[0]?.state, "Ready");
  await bed.cluster.delete("StoryRun", "demo", "run-0", bed.stop.signal);
  await bed.settle();
  await bed.clock.stepAsync(59_999);
  assert.is(bed.fleet.replicas, 1);
  await bed.clock.stepAsync(1);
  assert.is(bed.fleet.replicas, 0);
  bed.stop.abort();
});

it.run();
