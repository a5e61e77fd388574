/** Leader election on a Lease of a real API server. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/adapters/clock.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { Leader } from "../../src/control/leader.ts";
import { openApi } from "../support/apiserver/api.ts";
import { sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { eventually } from "../support/eventually.ts";
import { within } from "../support/deadline.ts";

const it = suite("leader on a cluster");
const times = { leaseMs: 3_000, renewMs: 2_000, retryMs: 300 };

interface Elector {
  readonly leader: Leader;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** Cuts it off from the API server, as a process that is killed. */
  kill(): void;
}

async function electors(...identities: readonly string[]) {
  const bed = await sharedBed();
  const api = openApi(bed.kubeconfig);
  const namespace = await api.namespace("leader");
  const { openKubeApi } = await import("../../src/adapters/cluster/kube/api.ts");
  const { openLease } = await import("../../src/adapters/cluster/kube/lease-store.ts");
  const kube = await openKubeApi({ kubeconfig: bed.kubeconfig });
  const all = identities.map((identity): Elector => {
    const store = openLease(kube, namespace, "test");
    const gone = new AbortController();
    const cut = <T>(ask: (signal: AbortSignal) => Promise<T>, signal: AbortSignal) =>
      ask(AbortSignal.any([signal, gone.signal]));
    const stop = new AbortController();
    const leader = new Leader({
      store: {
        read: (signal) => cut((both) => store.read(both), signal),
        write: (lease, signal) => cut((both) => store.write(lease, both), signal),
      },
      identity,
      clock: systemClock,
      log: silentLog,
      ...times,
    });
    const running = leader.run(stop.signal);
    return {
      leader,
      async stop() {
        stop.abort();
        await within(5_000, "the end of an elector", running);
      },
      kill: () => gone.abort(new Error("killed")),
    };
  });
  return {
    api,
    path: `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/test`,
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((each) => each.stop()));
      kube.close();
      api[Symbol.dispose]();
      await bed[Symbol.asyncDispose]();
    },
  };
}

testOnCluster(
  it,
  "C-104 of two exactly one leads, and the record says since when and how often it changed",
  async () => {
    await using two = await electors("a", "b");
    const leads = () => two.all.filter(({ leader }) => leader.isLeader);
    await eventually("a leader", () => leads().length > 0);
    const endMs = performance.now() + 2_000;
    while (performance.now() < endMs) {
      assert.is(leads().length, 1);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { spec } = await two.api.get(two.path);
    assert.is(spec.holderIdentity, two.all[0]!.leader.isLeader ? "a" : "b");
    assert.is(spec.leaseDurationSeconds, 3);
    assert.match(spec.renewTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    assert.is(spec.leaseTransitions, 0);
  },
);

testOnCluster(
  it,
  "C-104 a leader that is cut off is replaced within the lease time, and never are there two",
  async () => {
    await using two = await electors("a", "b");
    const first = await eventually("a leader", () => two.all.find(({ leader }) => leader.isLeader));
    const other = two.all.find((each) => each !== first)!;
    const killedMs = performance.now();
    first.kill();
    const both = setInterval(() => assert.not(first.leader.isLeader && other.leader.isLeader), 5);
    await eventually("another leader", () => other.leader.isLeader, 6_000);
    clearInterval(both);
    const tookMs = performance.now() - killedMs;
    assert.ok(tookMs < times.leaseMs + times.renewMs, `${tookMs} ms`);
    const { spec } = await two.api.get(two.path);
    assert.is(spec.leaseTransitions, 1);
  },
);

testOnCluster(it, "C-104 a leader that stops in order is replaced at the next attempt", async () => {
  await using two = await electors("a", "b");
  const first = await eventually("a leader", () => two.all.find(({ leader }) => leader.isLeader));
  const other = two.all.find((each) => each !== first)!;
  await first.stop();
  const stoppedMs = performance.now();
  await eventually("another leader", () => other.leader.isLeader);
  const tookMs = performance.now() - stoppedMs;
  assert.ok(tookMs < times.retryMs * 3, `${tookMs} ms`);
});

testOnCluster(it, "what others put into the Lease's metadata stays", async () => {
  await using one = await electors("a");
  await eventually("a leader", () => one.all[0]!.leader.isLeader);
  await one.api.patch(one.path, { metadata: { annotations: { kept: "yes" } } });
  const seen = await one.api.until(one.path, (lease) => {
    const { renewTime, acquireTime } = lease?.spec ?? {};
    return Date.parse(renewTime) - Date.parse(acquireTime) > 1_500;
  });
  assert.is((seen?.metadata["annotations"] as Record<string, string>)["kept"], "yes");
  assert.ok(one.all[0]!.leader.isLeader);
});

it.run();
