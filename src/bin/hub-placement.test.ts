import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeClock, settle } from "../../test/support/fake-clock.ts";
import { isTransportError } from "../contract/errors.ts";
import { readOperatorConfig } from "../contract/operator-config.ts";
import { silentLog } from "../contract/runtime.ts";
import type { HubFleet } from "../control/fleet.ts";
import type { HubPod } from "../control/placement.ts";
import { MemoryWorld } from "../control/world.ts";
import { hubPlacement, hubSet } from "./hub-placement.ts";

const it = suite("placement of hubs, composed");

function bed(env: Record<string, string>) {
  const clock = new FakeClock();
  let tell: (hubs: readonly HubPod[], replicas: number | null) => void = () => {};
  const fleet: HubFleet = {
    watch(onHubs, signal) {
      tell = onHubs;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    },
    scale: () => Promise.resolve(),
  };
  const { config } = readOperatorConfig({ configMap: null, env, flags: {} });
  const world = new MemoryWorld();
  const control = {
    world,
    get: () => null,
    runs: () => [],
    subscribe: () => () => {},
    synced: Promise.resolve(),
    touch() {},
  };
  const hubs = hubSet(env, "bobrapet-system");
  const placement = hubPlacement({ env, hubs, isLeader: () => true, config: () => config, clock, log: silentLog });
  return {
    clock,
    placement,
    follow: (signal: AbortSignal, known?: () => void) => placement.follow(control, fleet, signal, known),
    tell: (hubs: readonly HubPod[], replicas: number | null) => tell(hubs, replicas),
    place: () => placement.placements.endpoint(world, "demo", "run"),
  };
}

it("an administrator's address is every run's, and is refused where there are several hubs", async () => {
  for (const replicas of [null, 0, 1]) {
    const alone = bed({ BUBU_HUB_ENDPOINT: "hub.local:7000" });
    assert.ok(alone.placement.isKnown);
    assert.is(alone.place().endpoint, "hub.local:7000");
    const done = alone.follow(new AbortController().signal);
    alone.tell([], replicas);
    await done;
  }
  const several = bed({ BUBU_HUB_ENDPOINT: "hub.local:7000" });
  const refused = several.follow(new AbortController().signal);
  several.tell([], 3);
  try {
    await refused;
    assert.unreachable("it went on");
  } catch (error) {
    assert.ok(isTransportError(error, "InvalidConfiguration"), String(error));
    assert.match(error.message, "hub.local:7000, every run's address, but the StatefulSet wants 3 hubs");
  }
});

it("nothing is written before the hubs were seen, or 10 s have passed", async () => {
  const stop = new AbortController();
  const seen = bed({});
  let isTold = 0;
  void seen.follow(stop.signal, () => isTold++);
  await settle();
  assert.not(seen.placement.isKnown);
  const address = "bobravoz-grpc-hub-0.bobravoz-grpc-hub-pods.bobrapet-system.svc.cluster.local:9000";
  for (let times = 0; times < 2; times++) seen.tell([{ name: "bobravoz-grpc-hub-0", address, ready: true }], 1);
  assert.equal([seen.placement.isKnown, isTold], [true, 1]);
  assert.equal(seen.place(), { endpoint: address, serverName: address.replace(/:.*/, ""), state: "Ready" });
  const silent = bed({});
  void silent.follow(stop.signal, () => isTold++);
  silent.clock.step(9_999);
  assert.not(silent.placement.isKnown);
  silent.clock.step(1);
  assert.equal([silent.placement.isKnown, isTold], [true, 2]);
  stop.abort();
});

it("without a StatefulSet the Service of O-40 is every run's address", () => {
  const none = bed({ BUBU_HUB_SERVICE_NAMESPACE: "bobrapet-system" });
  void none.follow(new AbortController().signal);
  none.tell([], null);
  assert.is(none.place().endpoint, "bobravoz-grpc-hub.bobrapet-system.svc.cluster.local:9000");
});

it.run();
