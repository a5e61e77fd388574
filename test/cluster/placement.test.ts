/**
 * A controller and three hubs as processes on a real API server: where runs are, and what happens when a hub is lost.
 * The test plays the pods' kubelet and the cluster's DNS.
 */
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { testOnCluster } from "../support/apiserver/bed.ts";
import { type PlacedStep, PlacedSteps } from "../support/placed-steps.ts";
import { Ground, hubName, podOf, seconds } from "../support/placement-ground.ts";

const it = suite("placement on a cluster");

const runs = 100;

/** Sends on every run until each has had a packet sent after the call. */
async function flow(steps: PlacedSteps, what: string, ms: number, which = (_: PlacedStep) => true): Promise<void> {
  const from = steps.send("mic");
  const timer = setInterval(() => steps.send("mic"), 50);
  const isServed = (step: PlacedStep) => (step.received.at(-1) ?? 0) >= from;
  try {
    await steps.signal.until(what, () => steps.of("out").filter(which).every(isServed), ms);
  } catch (error) {
    const late = steps.of("out").filter(which).filter((step) => !isServed(step));
    const [first] = late;
    throw new Error(`${error}: ${late.length} late, ${first?.storyRun} at ${first?.endpoint}: ${first?.losses.join()}`);
  } finally {
    clearInterval(timer);
  }
}

testOnCluster(it, "C-102 of three hubs one is killed: only its runs move, and no other stream breaks", async () => {
  await using ground = await Ground.open(3, {});
  await using kubelet = await ground.startKubelet();
  await using controller = await ground.startController();
  const areReady = () => [0, 1, 2].every((index) => kubelet.isReady(`${hubName}-${index}`));
  await kubelet.signal.until("three hubs", areReady, 30_000);
  const startedMs = performance.now();
  for (let run = 0; run < runs; run += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, index) => ground.startRun(`run-${run + index}`)));
  }
  await using steps = new PlacedSteps({
    namespace: ground.namespace,
    discovery: controller.address,
    resolve: (endpoint) => kubelet.resolve(endpoint),
  });
  await steps.signal.until(
    "all steps",
    () => steps.all.length === 2 * runs && steps.all.every((s) => s.isReady),
    30_000,
  );
  await flow(steps, "a packet of every run", 30_000);
  console.log(
    `${runs} runs with streams on 3 hubs ${seconds(performance.now() - startedMs)} s after the first was created`,
  );

  const before = new Map(steps.of("out").map(({ storyRun, endpoint }) => [storyRun, endpoint]));
  assert.equal(await ground.records(), before);
  const shares = new Map<string, number>();
  for (const hub of before.values()) shares.set(podOf(hub), (shares.get(podOf(hub)) ?? 0) + 1);
  for (const index of [0, 1, 2]) assert.ok((shares.get(`${hubName}-${index}`) ?? 0) > 15, JSON.stringify([...shares]));
  const counts = () => new Map(steps.all.map((step) => [step, [step.opened, step.lost]]));
  const settled = counts();

  const victim = `${hubName}-1`;
  const isMoved = ({ storyRun }: PlacedStep) => podOf(before.get(storyRun)!) === victim;
  kubelet.held.add(victim);
  const killedMs = performance.now();
  kubelet.kill(victim);
  const told = steps.signal.until(
    "another hub for every run that moves",
    () => steps.all.filter(isMoved).every(({ endpoint }) => podOf(endpoint) !== victim) && performance.now() - killedMs,
    20_000,
  );
  await flow(steps, "a packet of every run that moves", 20_000, isMoved);
  const movedMs = performance.now() - killedMs;
  const moved = steps.of("out").filter(isMoved);
  console.log(
    `${moved.length} runs of a killed hub: discovery tells the new ones ${
      seconds(await told)
    } s after it was killed, ` +
      `packets arrive there after ${seconds(movedMs)} s`,
  );
  await flow(steps, "a packet of the others", 5_000);
  for (const step of steps.all) {
    if (isMoved(step)) assert.not.equal(podOf(step.endpoint), victim);
    else {
      assert.is(step.endpoint, before.get(step.storyRun), `${step.storyRun} moved`);
      assert.equal(
        [step.opened, step.lost],
        settled.get(step),
        `${step.storyRun} lost its stream: ${step.losses.join()}`,
      );
    }
  }
  const after = await ground.records();
  for (const { storyRun, endpoint } of steps.of("out")) assert.is(after.get(storyRun), endpoint);

  // the hub comes back: nothing moves back, and nobody notices
  const quiet = counts();
  kubelet.held.delete(victim);
  await kubelet.signal.until("the hub that comes back", () => kubelet.isReady(victim), 20_000);
  await pause(500);
  await flow(steps, "a packet of every run", 5_000);
  assert.equal(await ground.records(), after);
  assert.equal(counts(), quiet);

  // no controller: hubs go on, and one that restarts takes its runs again from the records
  assert.is(await controller.stop("SIGKILL"), null);
  const pod = `${hubName}-0`;
  const restartMs = performance.now();
  kubelet.kill(pod);
  await kubelet.signal.until(
    "a hub that restarts",
    () => kubelet.starts.at(-1)!.pod === pod && kubelet.isReady(pod),
    30_000,
  );
  await flow(steps, "a packet of every run without a controller", 45_000);
  console.log(
    `a hub that restarts without a controller serves its runs after ${seconds(performance.now() - restartMs)} s`,
  );
  assert.equal(await ground.records(), after);
});

it.run();
