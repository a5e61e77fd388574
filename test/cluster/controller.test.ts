/** Two replicas of `bobravoz controller` as processes on a real API server. */
import { statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bubuPath } from "../support/apiserver/api.ts";
import { testOnCluster } from "../support/apiserver/bed.ts";
import { discovered, election, Ground } from "../support/controller-ground.ts";
import type { ControllerProcess } from "../support/controller-process.ts";

const it = suite("controller on a cluster");

testOnCluster(
  it,
  "C-104 of two replicas one writes a run to TransportReady, and both answer discovery alike",
  async () => {
    await using ground = await Ground.open();
    const { namespace } = ground;
    const from = statSync(ground.bed.auditLog!).size;
    const [one, two] = await Promise.all([
      ground.controller("one", { args: election }),
      ground.controller("two", { args: election }),
    ]);
    await ground.run("call");
    const address = `bobravoz-grpc-hub.${namespace}.svc.cluster.local:9000`;
    assert.equal(await ground.ready("call"), [address, address]);
    for (const step of ["mic", "writer"]) {
      const [endpoint, env] = await discovered(one, namespace, "call", step);
      assert.is(endpoint, address);
      assert.equal(await discovered(two, namespace, "call", step), [endpoint, env]);
    }
    const isReady = async (each: ControllerProcess) => (await fetch(`${each.probes}/readyz`)).status;
    assert.equal(await Promise.all([one, two].map(isReady)), [200, 200]);
    await pause(500);
    const { one: ofOne, two: ofTwo } = ground.writes(from);
    assert.ok(ofOne + ofTwo > 0);
    assert.is(Math.min(ofOne, ofTwo), 0, `one wrote ${ofOne}, two ${ofTwo}`);
  },
);

testOnCluster(
  it,
  "C-104 a leader that is stopped hands over at once, and one that is killed within the lease time",
  async () => {
    await using ground = await Ground.open();
    const one = await ground.controller("one", { args: election });
    await one.logged("leads");
    const two = await ground.controller("two", { args: election });
    const stoppedMs = performance.now();
    assert.is(await one.stop("SIGTERM"), 0);
    await two.logged("leads", 2_000);
    console.log(`stopped in order: another leads after ${Math.round(performance.now() - stoppedMs)} ms`);
    await ground.run("after-stop");
    assert.is((await ground.ready("after-stop")).length, 2);
    const three = await ground.controller("one", { args: election });
    const killedMs = performance.now();
    await two.stop("SIGKILL");
    // while nobody leads, discovery of the other replica answers all the same
    assert.ok((await discovered(three, ground.namespace, "after-stop", "mic"))[0]);
    await three.logged("leads", 5_000);
    const tookMs = performance.now() - killedMs;
    console.log(`killed: another leads after ${Math.round(tookMs)} ms of a lease of 3000 ms`);
    assert.ok(tookMs < 4_000, `${tookMs} ms`);
    await ground.run("after-kill");
    assert.is((await ground.ready("after-kill")).length, 2);
  },
);

testOnCluster(
  it,
  "what a ConfigMap changes is obeyed at once, or is said once in the log and in a condition of the pod",
  async () => {
    await using ground = await Ground.open({ "controller.bindings": "wait", "hub.max-buffers": "many" });
    const { api, namespace } = ground;
    await api.create({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "manager", namespace },
      spec: { containers: [{ name: "manager", image: "none" }] },
    });
    const controller = await ground.controller("one", { env: { POD_NAME: "manager" } });
    const path = `/api/v1/namespaces/${namespace}/pods/manager`;
    const conditionOf = (status: "True" | "False") =>
      api.until(
        path,
        (pod) =>
          pod?.status?.conditions?.some((each: { type: string; status: string }) =>
            each.type === "bobravoz.bubustack.io/ConfigurationInForce" && each.status === status
          ),
      );
    await conditionOf("True");
    const named = controller.lines.filter(({ message }) => message === "configuration ignored");
    assert.is(named.length, 1);
    assert.match(String(named[0]!["fault"]), "hub.max-buffers");
    await ground.run("waits");
    await pause(1_000);
    assert.equal(await api.list(bubuPath("transportbindings", namespace)), []);
    await ground.configure({ "controller.bindings": "create" });
    await controller.logged("configuration taken over");
    await ground.ready("waits");
    await ground.run("at-once");
    assert.is((await ground.ready("at-once")).length, 2);

    await ground.configure({ "hub.scaleToZero": "true" });
    await controller.logged("configuration is not in force");
    const pod = await conditionOf("False");
    assert.match(JSON.stringify(pod?.status.conditions), "a restart is needed for hub.scaleToZero=true");
    await ground.configure({ "hub.scaleToZero": "false" });
    await controller.logged("configuration is in force");
    await conditionOf("True");
  },
);

it.run();
