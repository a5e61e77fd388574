/** A cluster whose API server answers late, with refusals, or not at all, and whose watches are cut. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import {
  type Asked,
  atFirstEvent,
  bindings,
  type Ground,
  isWatch,
  isWrite,
  openGround,
  openSubject,
  retried,
  toWatches,
  withVersion,
} from "../support/apiserver/kube-subject.ts";
import { eventually } from "../support/eventually.ts";

const it = suite("kubernetes answers");

let opening: Promise<Ground> | null = null;

const ground = (): Promise<Ground> => opening ??= sharedBed().then(openGround);

it.after(async () => await (await opening)?.[Symbol.asyncDispose]());

testOnCluster(it, "a watch that is cut again and again loses no event and repeats none", async () => {
  const fault = (request: Asked) => isWatch(request) && request.url.includes(bindings) ? { cut: 2_500 } : undefined;
  await using over = await openSubject(await ground(), { fault });
  const { at, cluster, signal, object } = over;
  await over.synced();
  for (let index = 0; index < 12; index += 1) {
    await cluster.create(object(`cut-${index}`), signal);
    if (index % 3 === 0) await at.api.delete(over.path(`cut-${index}`));
  }
  await eventually("a reconnect", () => cluster.counts.reconnects > 0);
  at.fault = () => undefined;
  await over.converged();
  assert.is(over.told.repeated, 0);
  assert.is((await at.api.list(over.path())).length, 8);
});

testOnCluster(it, "410 Gone within a watch and at its start: what happened meanwhile is seen", async () => {
  const error = { kind: "Status", apiVersion: "v1", status: "Failure", code: 410, reason: "Expired" };
  const gone = { insert: JSON.stringify({ type: "ERROR", object: error }) };
  // the second watch ends, and the next two are refused: the client has to list again
  await using over = await openSubject(await ground(), {
    fault: toWatches(gone, atFirstEvent, { status: 410 }, { status: 410 }),
  });
  const { at, cluster, signal, object } = over;
  await over.synced();
  await cluster.create(object("gone-0"), signal);
  await eventually("the watch has expired", () => cluster.counts.expired === 1);
  await cluster.create(object("gone-1"), signal);
  await over.converged();
  await eventually("another watch", () => cluster.counts.reconnects === 1);
  const before = cluster.counts;
  await at.api.delete(over.path("gone-0"));
  await at.api.create(withVersion(object("gone-2")));
  await over.converged();
  await eventually("two refused watches", () => cluster.counts.watchErrors >= before.watchErrors + 2, 10_000);
  await eventually("a watch again", () => cluster.counts.reconnects === 2);
  assert.ok(cluster.counts.lists >= before.lists + 3);
  assert.is(over.told.repeated, 0);
});

testOnCluster(it, "409: an object that changed since it was seen is read and written again, once", async () => {
  await using over = await openSubject(await ground());
  const { at, cluster, signal, object } = over;
  await over.synced();
  await cluster.create(object("conflict"), signal);
  await over.converged();
  // what is seen from now on is old
  at.fault = (request) => isWatch(request) || request.url.endsWith(bindings) ? { delayMs: 4_000 } : undefined;
  const before = await at.api.get(over.path("conflict"));
  await at.api.patch(over.path("conflict"), { metadata: { finalizers: ["example.com/a", "example.com/b"] } });
  await cluster.removeFinalizer("TransportBinding", at.namespace, "conflict", "example.com/a", signal);
  const wanted = object("conflict");
  const spec = { ...wanted.spec, rawSettings: { routing: { mode: "hub" } } };
  await at.api.patch(over.path("conflict"), { metadata: { finalizers: null } });
  await cluster.replace({ ...wanted, spec }, signal);
  const after = await at.api.get(over.path("conflict"));
  assert.is(after.metadata["generation"] as unknown, (before.metadata["generation"] as unknown as number) + 1);
  assert.equal(after["spec"].rawSettings, { routing: { mode: "hub" } });
  const failed = await cluster.replace({ ...wanted, spec: { ...spec, stepName: 5 as never } }, signal)
    .then(() => null, (error) => error);
  assert.is(failed?.reason, "InvalidRequest", "422 that is no conflict");
});

testOnCluster(it, "429 is asked again after the time that the server names, not before", async () => {
  await using over = await openSubject(await ground());
  const { at, cluster, signal, object } = over;
  await over.synced();
  let refused = 2;
  at.asked.length = 0;
  at.fault = (request) =>
    isWrite(request) && refused-- > 0 ? { status: 429, headers: { "retry-after": "1" } } : undefined;
  const startMs = performance.now();
  await cluster.create(object("many"), signal);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= 2_000, `${tookMs} ms`);
  assert.is(at.asked.filter(isWrite).length, 3);
  refused = 100;
  const failed = await cluster.create(object("too-many"), AbortSignal.timeout(1_500)).then(
    () => null,
    (error) => error,
  );
  assert.is(failed?.name, "TimeoutError", "the wait ends with the signal");
  at.fault = () => undefined;
  await over.converged();
});

testOnCluster(it, "a list that is refused with 429 is made when the server has said so", async () => {
  let refused = 0;
  await using over = await openSubject(await ground(), { fault: toWatches(atFirstEvent) });
  const { at } = over;
  await over.synced();
  at.fault = (request) => {
    if (isWrite(request) || !request.url.includes(bindings)) return undefined;
    return refused++ < 2 ? { status: 429, headers: { "retry-after": "1" } } : undefined;
  };
  await over.cluster.create(over.object("late"), over.signal);
  await over.converged();
  assert.ok(refused > 2);
});

testOnCluster(it, "a slow API server: writes wait up to their limit, and nothing is written twice", async () => {
  await using over = await openSubject(await ground(), { answerLimitMs: 800 });
  const { at, cluster, signal, object } = over;
  await over.synced();
  at.fault = (request) => isWrite(request) ? { delayMs: 400 } : undefined;
  await cluster.create(object("slow-0"), signal);
  at.fault = (request) => isWrite(request) ? { delayMs: 1_200 } : undefined;
  const failed = await cluster.create(object("slow-1"), signal).then(() => null, (error) => error);
  assert.is(failed?.reason, "Unavailable");
  assert.match(failed.message, "no answer within 800 ms");
  at.fault = () => undefined;
  await retried(() => cluster.create(object("slow-1"), signal));
  await over.converged();
  assert.is((await at.api.list(over.path())).length, 2);
});

testOnCluster(it, "an answer lost after the write was done: asked again, it changes nothing", async () => {
  await using over = await openSubject(await ground());
  const { at, cluster, signal, object } = over;
  await over.synced();
  let lost = 0;
  const lose = () => {
    lost = 2;
    at.fault = (request) => isWrite(request) && lost-- > 0 ? { lose: true } : undefined;
  };
  const name = "lost";
  lose();
  await retried(() => cluster.create(object(name), signal));
  const made = await at.api.get(over.path(name));
  lose();
  const apply = () =>
    cluster.applyStatus("TransportBinding", at.namespace, name, "bobravoz-controller", { endpoint: "a:1" }, signal);
  await retried(apply);
  const applied = await at.api.get(over.path(name));
  await retried(apply);
  assert.is(applied.metadata.uid, made.metadata.uid);
  assert.is((await at.api.get(over.path(name))).metadata.resourceVersion, applied.metadata.resourceVersion);
  assert.is(applied["status"].endpoint, "a:1");
  await at.api.patch(over.path(name), { metadata: { finalizers: ["example.com/a", "example.com/b"] } });
  at.fault = () => undefined;
  await over.converged();
  lose();
  await retried(() => cluster.removeFinalizer("TransportBinding", at.namespace, name, "example.com/a", signal));
  assert.equal((await at.api.get(over.path(name))).metadata["finalizers"], ["example.com/b"]);
  await at.api.patch(over.path(name), { metadata: { finalizers: null } });
  lose();
  await retried(() => cluster.delete("TransportBinding", at.namespace, name, signal));
  lose();
  const event = { kind: "StoryRun", namespace: at.namespace, name: "voice-1", type: "Normal", message: "" } as const;
  cluster.recordEvent({ ...event, reason: "TransportReady" });
  await cluster.flushEvents(AbortSignal.timeout(10_000));
  at.fault = () => undefined;
  await cluster.flushEvents(AbortSignal.timeout(10_000));
  const events = await at.api.list(`/apis/events.k8s.io/v1/namespaces/${at.namespace}/events`);
  assert.is(events.filter(({ reason }) => reason === "TransportReady").length, 1);
  await over.converged();
});

testOnCluster(
  it,
  "a kind that may not be listed keeps the world unready, asks seldom, and is there when it may",
  async () => {
    let isRefused = true;
    const refusal = (request: Asked) =>
      isRefused && !isWrite(request) && request.url.includes(bindings) ? { status: 403 } : undefined;
    await using over = await openSubject(await ground(), { fault: refusal });
    const { at, cluster } = over;
    await eventually("four refused lists", () => cluster.counts.listErrors >= 4, 15_000);
    assert.is(over.told.synced, 0);
    const asked = at.asked.filter(({ method, url }) => method === "GET" && url.includes(bindings)).length;
    assert.ok(asked <= 12, `${asked} requests`);
    isRefused = false;
    await over.synced();
  },
);

it.run();
