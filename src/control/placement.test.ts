import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { binding, engram, story, storyRun, transport } from "../../test/support/objects.ts";
import type { TransportBinding } from "../contract/resources.ts";
import { decideRun } from "./decisions.ts";
import { type HubPod, Placements } from "./placement.ts";
import { reconcile } from "./reconcile.ts";
import { rendezvous } from "./rendezvous.ts";
import { MemoryWorld } from "./world.ts";

const test = suite("placement");

const address = (index: number) => `hub-${index}.hub-pods.sys.svc.cluster.local:9000`;
const service = (namespace: string) => `hub.${namespace}.svc.cluster.local:9000`;
const pods = (...ready: readonly number[]): HubPod[] =>
  [0, 1, 2, 3, 4].map((index) => ({ name: `hub-${index}`, address: address(index), ready: ready.includes(index) }));

const names = fc.uniqueArray(fc.integer({ min: 0, max: 40 }).map(address), { minLength: 1, maxLength: 8 });
const keys = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }).map((text) => `demo/${text}`), {
  maxLength: 40,
});

/** A world of runs of one Story, each with one binding that records what it is told. */
class Runs {
  readonly world = new MemoryWorld();
  readonly names: readonly string[];

  constructor(count: number, annotations: Record<string, string> = {}) {
    this.names = Array.from({ length: count }, (_, index) => `run-${index}`);
    const object = story("voice", ["mic", "out[mic]"]);
    this.world.upsert({ ...object, metadata: { ...object.metadata, annotations } });
    this.world.upsert(transport("speech"));
    for (const name of ["mic", "out"]) this.world.upsert(engram(name));
    for (const name of this.names) this.world.upsert(storyRun(name, "voice"));
  }

  places(placements: Placements): string[] {
    return this.names.map((name) => placements.endpoint(this.world, "demo", name).endpoint);
  }

  /** What the leader writes and every watcher sees. */
  record(places: readonly string[]): void {
    this.names.forEach((name, index) => this.record1(name, "mic", places[index]!));
  }

  record1(run: string, step: string, endpoint: string, more: Partial<TransportBinding["status"]> = {}): void {
    const object = binding(`${run}-${step}-transport`, storyRun(run, "voice"), step);
    this.world.upsert({ ...object, status: { endpoint, ...more } });
  }
}

const open = (isLeader?: () => boolean) =>
  new Placements({ first: address(0), service, fixed: null, ...(isLeader === undefined ? {} : { isLeader }) });

const openWith = (hubs: readonly HubPod[]) => {
  const placements = open();
  placements.setHubs(hubs);
  return placements;
};

test("the highest weight is the same in whatever order the names come", () => {
  fc.assert(fc.property(names, fc.string(), (hubs, key) => {
    assert.is(rendezvous(key, hubs), rendezvous(key, hubs.toReversed()));
  }));
  assert.is(rendezvous("demo/run", []), null);
  // stands for every release: another function would move every run that has no record
  assert.is(rendezvous("demo/voice-7", [0, 1, 2].map(address)), address(0));
});

test("only the keys of a name that goes move, and of a name that comes only its own", () => {
  fc.assert(fc.property(names, keys, fc.nat(), (hubs, runs, pick) => {
    const gone = hubs[pick % hubs.length]!;
    const rest = hubs.filter((hub) => hub !== gone);
    for (const run of runs) {
      const before = rendezvous(run, hubs)!;
      const after = rendezvous(run, rest);
      assert.ok(before === gone || before === after, `${run} moved from ${before} to ${after} when ${gone} went`);
    }
  }));
});

test("runs spread evenly over hubs", () => {
  const hubs = [0, 1, 2, 3, 4].map(address);
  const counts = new Map<string, number>();
  for (let index = 0; index < 5000; index++) {
    const hub = rendezvous(`demo/voice-run-${index}`, hubs)!;
    counts.set(hub, (counts.get(hub) ?? 0) + 1);
  }
  // 1000 each, with a standard deviation of 28
  for (const [hub, count] of counts) assert.ok(count > 880 && count < 1120, `${hub} has ${count} of 5000`);
});

test("a run stays while its hub is ready, whatever hubs come and go", () => {
  fc.assert(fc.property(
    fc.array(fc.subarray([0, 1, 2, 3, 4], { minLength: 1 }), { minLength: 2, maxLength: 12 }),
    (states) => {
      const runs = new Runs(12);
      const leader = open();
      let before: string[] | null = null;
      for (const state of states) {
        leader.setHubs(pods(...state));
        const now = runs.places(leader);
        const ready = new Set(state.map(address));
        now.forEach((place, index) => {
          assert.ok(ready.has(place), `${place} is not ready`);
          const was = before?.[index];
          if (was !== undefined && ready.has(was)) assert.is(place, was);
        });
        runs.record(now);
        before = now;
      }
    },
  ));
});

test("a new leader and every follower decide what is recorded, also while a move is being written", () => {
  const runs = new Runs(30);
  const leader = open();
  leader.setHubs(pods(0, 1, 2));
  const first = runs.places(leader);
  runs.record(first);
  // a hub comes that would win a share by its weight
  leader.setHubs(pods(0, 1, 2, 3));
  const next = open();
  next.setHubs(pods(0, 1, 2, 3));
  const follower = open(() => false);
  follower.setHubs(pods(0, 1, 2, 3));
  for (const each of [leader, next, follower]) assert.equal(runs.places(each), first);
  // hub 1 is lost, and comes back before the echo of what was written
  const lost = pods(0, 2, 3);
  for (const each of [leader, follower]) each.setHubs(lost);
  const moved = runs.places(leader);
  assert.equal(runs.places(follower), moved);
  for (const each of [leader, follower]) each.setHubs(pods(0, 1, 2, 3));
  assert.equal(runs.places(leader), moved);
  runs.record(moved);
  for (const each of [leader, openWith(pods(0, 1, 2, 3)), follower]) assert.equal(runs.places(each), moved);
  const share = moved.filter((place, index) => place !== first[index]).length;
  assert.is(share, first.filter((place) => place === address(1)).length);
});

test("a follower obeys the record where its own memory is another", () => {
  const runs = new Runs(1);
  const follower = open(() => false);
  follower.setHubs(pods(0, 1));
  const [own] = runs.places(follower);
  const other = own === address(0) ? address(1) : address(0);
  runs.record([other]);
  assert.equal(runs.places(follower), [other]);
});

test("without a ready hub a run has pod 0's address and waits, and gets a place of its own when hubs are ready", () => {
  const runs = new Runs(40);
  const leader = openWith(pods());
  assert.equal(leader.endpoint(runs.world, "demo", "run-0"), {
    endpoint: address(0),
    serverName: "hub-0.hub-pods.sys.svc.cluster.local",
    state: "HubStarting",
  });
  const waiting = { type: "EndpointResolved", status: "False" as const, reason: "HubStarting", message: "" };
  const conditions = [{ ...waiting, lastTransitionTime: "2026-01-01T00:00:00Z" }];
  for (const name of runs.names) runs.record1(name, "mic", address(0), { conditions });
  leader.setHubs(pods(0, 1));
  const places = runs.places(leader);
  assert.is(new Set(places).size, 2, "what waited at pod 0 has no place there");
  assert.is(leader.endpoint(runs.world, "demo", "run-0").state, "Ready");
});

test("before any hub was seen what is recorded holds, so that a restart of the controller moves nothing", () => {
  const runs = new Runs(3);
  runs.record([0, 1, 2].map(address));
  const fresh = open();
  assert.equal(runs.places(fresh), [0, 1, 2].map(address));
  assert.is(fresh.endpoint(runs.world, "demo", "run-1").state, "Ready");
  fresh.setHubs(pods(0, 1, 2));
  assert.equal(runs.places(fresh), [0, 1, 2].map(address));
});

test("C-102 where there is no StatefulSet of hubs the address is the Service's", () => {
  const runs = new Runs(2);
  const placements = open();
  placements.setHubs(null);
  assert.equal(runs.places(placements), Array(2).fill("hub.demo.svc.cluster.local:9000"));
  placements.setHubs(pods(3));
  assert.equal(runs.places(placements), Array(2).fill(address(3)));
});

test("an administrator's address is every run's, whichever hubs are ready", () => {
  const fixed = new Placements({ first: address(0), service, fixed: "hub.local:7000" });
  fixed.setHubs(pods(1, 2));
  const runs = new Runs(5);
  runs.record(runs.names.map(() => address(1)));
  for (const name of runs.names) {
    assert.equal(fixed.endpoint(runs.world, "demo", name), {
      endpoint: "hub.local:7000",
      serverName: "hub.local",
      state: "Ready",
    });
  }
});

test("all runs of a Story whose strategy is PerStory have one place", () => {
  const runs = new Runs(20, { "bobravoz.bubustack.io/strategy": "PerStory" });
  const leader = open();
  leader.setHubs(pods(0, 1, 2, 3, 4));
  assert.is(new Set(runs.places(leader)).size, 1);
  runs.record1("run-3", "mic", address(4));
  assert.equal(new Set(runs.places(openWith(pods(0, 1, 4)))), new Set([address(4)]));
});

test("subscribers hear of other ready hubs, and of nothing else", () => {
  const leader = open();
  let heard = 0;
  const stop = leader.subscribe(() => heard++);
  leader.setHubs(pods(0));
  leader.setHubs(pods(0));
  leader.setHubs([...pods(0), { name: "hub-9", address: address(9), ready: false }]);
  assert.is(heard, 1);
  leader.setHubs(pods());
  assert.is(heard, 2);
  stop();
  leader.setHubs(pods(1));
  assert.is(heard, 2);
});

test("C-102 the recorded address is the pod's, and says HubStarting with TransportReady False until a hub is ready", () => {
  const runs = new Runs(1);
  const placements = openWith(pods());
  const decide = () =>
    decideRun(runs.world, "demo", "run-0", {
      hubEndpoint: () => "",
      hub: (world, namespace, run) => placements.endpoint(world, namespace, run),
    })!;
  const look = () => {
    const decision = decide();
    const { writes } = reconcile(runs.world, decision, { now: "2026-01-01T00:00:00Z", alone: true });
    const statuses = writes.flatMap((write) => write.type === "status" ? [write.status] : []);
    const conditions = statuses.flatMap(({ conditions }) =>
      conditions as { type: string; status: string; reason: string }[]
    );
    return {
      bindings: decision.bindings.map(({ state, reason, hubEndpoint }) => `${state} ${reason} ${hubEndpoint}`),
      endpoints: statuses.flatMap(({ endpoint }) => endpoint ?? []),
      conditions: conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
    };
  };
  for (const step of ["mic", "out"]) runs.record1("run-0", step, address(0));
  const starting = look();
  assert.equal(starting.bindings, Array(2).fill(`HubStarting HubStarting ${address(0)}`));
  assert.equal(starting.endpoints, Array(2).fill(address(0)));
  assert.ok(starting.conditions.includes("EndpointResolved False HubStarting"), starting.conditions.join());
  assert.ok(starting.conditions.includes("TransportReady False HubStarting"), starting.conditions.join());
  placements.setHubs(pods(2));
  for (const step of ["mic", "out"]) runs.record1("run-0", step, address(2));
  const ready = look();
  assert.equal(ready.bindings, Array(2).fill(`Ready TransportReady ${address(2)}`));
  assert.ok(ready.conditions.includes("TransportReady True TransportReady"), ready.conditions.join());
});

test.run();
