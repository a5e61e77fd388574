/** Hubs between 0 and 1 on a real API server, beside an autoscaler between 1 and N. */
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ApiObject, bubuPath } from "../support/apiserver/api.ts";
import { testOnCluster } from "../support/apiserver/bed.ts";
import { PlacedSteps } from "../support/placed-steps.ts";
import { Ground, hubName, podOf, seconds } from "../support/placement-ground.ts";

const it = suite("hubs from zero");

testOnCluster(
  it,
  "with hub.scaleToZero the first run wakes a hub, its streams wait and are served, and the hub goes when it is over",
  async () => {
    await using ground = await Ground.open(0, { "hub.scaleToZero": "true", "hub.scaleDownDelay": "2s" });
    await using kubelet = await ground.startKubelet();
    await using controller = await ground.startController();
    await using steps = new PlacedSteps({
      namespace: ground.namespace,
      discovery: controller.address,
      resolve: (endpoint) => kubelet.resolve(endpoint),
    });
    const startedMs = performance.now();
    await ground.startRun("run-0");
    await steps.signal.until("both steps", () => steps.all.length === 2, 15_000);
    assert.is(kubelet.starts.filter(({ readyMs }) => readyMs > 0).length, 0);
    for (const { endpoint, isReady, opened } of steps.all) {
      assert.equal([podOf(endpoint), isReady, opened], [`${hubName}-0`, false, 0]);
    }
    const run = bubuPath("storyruns", ground.namespace, "run-0");
    const conditionIs = (type: string, status: string, reason: string) => (object: ApiObject | undefined) =>
      (object?.status?.conditions as { type: string; status: string; reason: string }[] | undefined)
        ?.some((each) => each.type === type && each.status === status && each.reason === reason) ?? false;
    await ground.api.until(run, conditionIs("TransportReady", "False", "HubStarting"), 10_000);
    // what is sent while there is no hub waits in the sender
    const early = steps.send("mic");
    await ground.api.until(ground.statefulSet, (set) => set?.["spec"].replicas === 1, 10_000);
    await steps.signal.until("the packet that waited", () => steps.of("out")[0]!.received.includes(early), 30_000);
    const servedMs = performance.now() - startedMs;
    const [started] = kubelet.starts;
    await ground.api.until(run, conditionIs("TransportReady", "True", "TransportReady"), 10_000);
    const start = (ms: number) => seconds(ms - started!.spawnedMs);
    console.log(
      `a woken hub listens ${start(started!.listensMs)} s and is ready ${
        start(started!.readyMs)
      } s after its process was ` +
        `started; the first packet arrives ${seconds(servedMs)} s after the run was created`,
    );
    for (const { opened, lost } of steps.all) assert.equal([opened, lost], [1, 0]);

    // another writer between 1 and N is left alone; the API server takes an autoscaler on our metric
    const target = { type: "AverageValue", averageValue: "500" };
    await ground.api.create({
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: hubName, namespace: ground.namespace },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "StatefulSet", name: hubName },
        minReplicas: 1,
        maxReplicas: 5,
        metrics: [{ type: "Pods", pods: { metric: { name: "bobravoz_hub_active_streams" }, target } }],
      },
    });
    const scale = (replicas: number) => ground.api.patch(`${ground.statefulSet}/scale`, { spec: { replicas } });
    await scale(2);
    await ground.api.patch(`${run}/status`, { status: { phase: "Succeeded" } });
    const overMs = performance.now();
    await pause(3_500);
    assert.is((await ground.api.get(ground.statefulSet))["spec"].replicas, 2, "an autoscaler's number stays");
    await scale(1);
    await ground.api.until(ground.statefulSet, (set) => set?.["spec"].replicas === 0, 10_000);
    await kubelet.signal.until("the hubs' end", () => kubelet.starts.every(({ exitedMs }) => exitedMs > 0), 20_000);
    assert.equal(kubelet.starts.map(({ exitCode }) => exitCode), kubelet.starts.map(() => 0));
    console.log(
      `idle hubs are gone ${
        seconds(performance.now() - overMs)
      } s after the run was over (window 2 s, autoscaler at 2 for 3.5 s)`,
    );
    assert.match(controller.lines.map(({ message }) => message).join(), "hubs scaled");
  },
);

it.run();
