/** The test bed itself: what the other tests here rely on. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ApiError, bubuPath, openApi } from "../support/apiserver/api.ts";
import { sharedBed, testOnCluster } from "../support/apiserver/bed.ts";

const it = suite("test bed");

testOnCluster(
  it,
  "C-062 a condition without Ready beside it is refused by the API server, and with it accepted",
  async () => {
    await using bed = await sharedBed();
    using api = openApi(bed.kubeconfig);
    const namespace = await api.namespace("bed");
    const run = {
      apiVersion: "runs.bubustack.io/v1alpha1",
      kind: "StoryRun",
      metadata: { name: "run", namespace },
      spec: { storyRef: { name: "story" } },
    };
    await api.create(run);
    const condition = (type: string) => ({
      type,
      status: "True",
      reason: "TransportReady",
      message: "Transport is ready",
      lastTransitionTime: "2026-01-01T12:00:00Z",
    });
    const status = (...types: string[]) => ({ ...run, status: { conditions: types.map(condition) } });
    try {
      await api.apply(status("TransportReady"), "bobravoz-controller", "status");
      assert.unreachable("it was accepted");
    } catch (error) {
      assert.ok(error instanceof ApiError, String(error));
      assert.equal(error.status, 422);
      assert.match(error.message, "must include Ready");
    }
    await api.apply(status("Ready"), "bobravoz-ready", "status");
    await api.apply(status("TransportReady"), "bobravoz-controller", "status");
    const seen = await api.until(
      bubuPath("storyruns", namespace, "run"),
      (run) => run?.status?.conditions?.length === 2,
    );
    assert.equal(seen?.status.conditions.map(({ type }: { type: string }) => type).sort(), ["Ready", "TransportReady"]);
  },
);

it.run();
