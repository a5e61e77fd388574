/** A cluster whose API server is killed, stopped and paused: on a bed of its own. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startBed, testOnCluster } from "../support/apiserver/bed.ts";
import { type Ground, openGround, openSubject, retried, withVersion } from "../support/apiserver/kube-subject.ts";
import { eventually } from "../support/eventually.ts";

const it = suite("kubernetes faults");

let opening: Promise<Ground> | null = null;

const ground = (): Promise<Ground> => opening ??= startBed().then(openGround);

it.after(async () => await (await opening)?.[Symbol.asyncDispose]());

testOnCluster(
  it,
  "an API server that is killed and comes back: the world is its again, and each write is there once",
  async () => {
    await using over = await openSubject(await ground());
    const { at, cluster, signal, object } = over;
    await over.synced();
    await cluster.create(object("kill-0"), signal);
    await over.converged();
    await at.bed.command("kill kube-apiserver");
    const refused = await cluster.create(object("kill-1"), signal).then(() => null, (error) => error);
    assert.is(refused?.reason, "Unavailable");
    const writing = retried(() => cluster.create(object("kill-1"), signal));
    await at.bed.command("start kube-apiserver");
    await at.api.delete(over.path("kill-0"));
    await at.api.create(withVersion(object("kill-2")));
    const failures = await writing;
    const ms = await over.converged();
    assert.equal((await at.api.list(over.path())).map(({ metadata }) => metadata.name), ["kill-1", "kill-2"]);
    assert.ok(cluster.counts.reconnects > 0);
    assert.is(over.told.synced, 1);
    assert.is(over.told.repeated, 0);
    console.log(`  API server restarted: ${failures} tries failed, the world was right ${ms} ms later`);
  },
);

testOnCluster(it, "an API server that hangs and goes on: the watch goes on with it", async () => {
  await using over = await openSubject(await ground(), { answerLimitMs: 500 });
  const { at, cluster, signal, object } = over;
  await over.synced();
  await at.bed.command("pause kube-apiserver");
  const failed = await cluster.create(object("hung"), signal).then(() => null, (error) => error);
  assert.is(failed?.reason, "Unavailable");
  await at.bed.command("resume kube-apiserver");
  await retried(() => cluster.create(object("hung"), signal));
  await over.converged();
});

testOnCluster(it, "a cluster that starts while no API server is there becomes synced when it comes", async () => {
  const { bed } = await ground();
  await bed.command("stop kube-apiserver");
  await using over = await openSubject(await ground());
  await eventually("a failed list", () => over.cluster.counts.listErrors > 0, 10_000);
  await bed.command("start kube-apiserver");
  await over.until("synced", () => over.told.synced === 1, 20_000);
  await over.converged();
});

it.run();
