/** The control loop beside the published operators, as they were recorded on a real API server. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { apiVersions } from "../src/contract/names.ts";
import { parseResource } from "../src/contract/parse-resources.ts";
import type { JsonObject } from "../src/contract/resources.ts";
import { silentLog } from "../src/contract/runtime.ts";
import { Control } from "../src/control/loop.ts";
import { FakeClock, settle } from "./support/fake-clock.ts";
import { binding, storyRun } from "./support/objects.ts";
import { RecordedCluster } from "./support/recorded-cluster.ts";
import { moments, objectsAt, recordingsFolder, scenarios, timeline, uidsOf } from "./support/recordings.ts";

const it = suite("recordings");
const hub = "bobravoz-grpc-hub-0.bobravoz-grpc-hub-pods.bobrapet-system.svc.cluster.local:9000";

/** Runs the loop over a cluster; `during` does things meanwhile, then a minute passes. */
async function control(
  cluster: RecordedCluster,
  clock: FakeClock,
  during: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const stop = new AbortController();
  const decide = { hubEndpoint: () => hub };
  const loop = new Control({ cluster, clock, log: silentLog, bindings: "wait", decide });
  const running = loop.run(stop.signal);
  await loop.synced;
  await settle();
  await during();
  await clock.stepAsync(60_000);
  stop.abort();
  await running;
}

/** `run: status reason` of every run's TransportReady. */
function verdicts(cluster: RecordedCluster): Readonly<Record<string, string>> {
  return Object.fromEntries(
    cluster.list("StoryRun").map(({ metadata, status }) => {
      const ready = status?.conditions?.find(({ type }) => type === "TransportReady");
      return [metadata.name, ready === undefined ? "none" : `${ready.status} ${ready.reason}`];
    }),
  );
}

/** Nothing that was written is refused or not ours, all of it has the shape of the CRDs, and a new process adds nothing. */
async function settled(cluster: RecordedCluster): Promise<void> {
  assert.equal(cluster.faults, []);
  assert.not(cluster.writes.some((write) => /^(create|replace|delete) /.test(write)), cluster.writes.join("\n"));
  for (const kind of ["StoryRun", "TransportBinding"] as const) {
    for (const object of cluster.list(kind)) {
      assert.equal(parseResource({ ...object, apiVersion: apiVersions[kind] }).faults, [], object.metadata.name);
    }
  }
  const written = cluster.writes.length;
  await control(cluster, new FakeClock(Date.UTC(2027, 0, 1)));
  assert.equal(cluster.writes.slice(written), []);
  assert.equal(cluster.faults, []);
}

type Verdicts = Readonly<Record<string, readonly string[]>>;

const ready = "True TransportReady";
const waiting = "False Reconciling";
/** What the Story asks for is not in this version: refused by name (DECISIONS "refusals"). */
const refused = "False NotSupported";
const unknownAnnotation = "False InvalidConfiguration";
const none = "none";

/** What we say of each run, one after the other, while the scenario is played. */
const replayed: Readonly<Record<string, Verdicts>> = {
  "01-direct-pair": { "voice-run-7": [refused] },
  "02-hub-between": { "support-run-1": [refused] },
  "03-mixed-primitives": { "meeting-run-1": [refused] },
  "03b-stop": { "short-call-1": [refused] },
  "04-strategies-and-two-runs": { "new-a": [waiting, ready], "new-b": [waiting, ready] },
  "05-several-transports": { "desk-run-1": [refused] },
  "06-annotation": {
    "plain-1": [waiting, ready],
    "with-grpc-1": [waiting, ready],
    "with-other-1": [unknownAnnotation],
    "realtime-with-job-1": [refused],
  },
  "07-our-controller-writes": { "voice-1": [waiting, ready] },
  "07b-terminal-binding-and-two-managers": { "voice-1": [waiting, ready] },
  "07c-ready-under-its-own-manager": { "one-manager": [waiting, ready], "two-managers": [waiting, ready] },
  "08-binding-made-first": {
    exact: [ready],
    "exact-other-settings": [ready],
    "other-transport": [ready],
    "other-driver": [waiting, ready],
    owned: [ready],
  },
  "09-cancel": { "voice-1": [waiting, ready] },
  "10-story-edit": { "voice-1": [waiting, ready] },
  "11-redrive": { "voice-1": [waiting, ready, waiting, ready, waiting, ready] },
  "12-deletion-and-finalizers": { "voice-1": [waiting, ready, waiting, ready, waiting], "voice-2": [waiting, ready] },
  "13-blocked": {
    "no-tls-1": [waiting, ready],
    "no-transport-1": ["False UnknownTransport", waiting, ready],
    "no-engram-1": ["False UnknownEngram", waiting, ready],
    "no-template-1": ["False UnknownEngram"],
    "no-transports-1": ["False UnknownTransport"],
  },
  "14-heartbeat-and-compatibility": { "voice-1": [waiting, ready] },
  "15-long-and-odd-names": {
    "live-assistant-20260422t222729z-9f8e7d6c5b4a3210": [waiting, ready],
    "with.dots.in-it": [refused],
    a: [waiting, ready],
    "a-b": ["False BindingCollision"],
  },
  "16-modes-and-ports": { "voice-1": [refused] },
  "17-admission": { r1: [waiting, ready] },
  "18-both-operators": { "voice-1": [refused] },
  "19-both-operators-edge-cases": { "other-annotation-1": [unknownAnnotation], "with-job-1": [refused] },
  "20-hub-reports": { "voice-1": [waiting, ready] },
  "20b-terminated-plain": { "voice-1": [waiting, ready] },
};

/** What we say of each run when we are started at a moment of the scenario. */
const found: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>> = {
  "01-direct-pair": {
    "objects-after-heartbeats": { "voice-run-7": refused },
    "objects-running": { "voice-run-7": refused },
    "objects-waiting": { "voice-run-7": refused },
  },
  "02-hub-between": {
    objects: { "support-run-1": refused },
  },
  "03-mixed-primitives": {
    objects: { "meeting-run-1": refused, "meeting-run-1-after": none },
    "objects-after-8s": { "meeting-run-1": refused, "meeting-run-1-after": none },
    "objects-before-stop": { "meeting-run-1": refused, "meeting-run-1-after": none },
  },
  "03b-stop": {
    objects: { "short-call-1": refused },
  },
  "04-strategies-and-two-runs": {
    objects: { "new-a": ready, "new-b": ready },
  },
  "05-several-transports": {
    objects: { "desk-run-1": refused },
  },
  "06-annotation": {
    objects: {
      "batch-with-deployment-1": none,
      "plain-1": ready,
      "realtime-with-job-1": none,
      "with-grpc-1": ready,
      "with-other-1": unknownAnnotation,
    },
  },
  "07-our-controller-writes": {
    objects: { "voice-1": ready },
  },
  "07b-terminal-binding-and-two-managers": {
    objects: { "voice-1": ready },
  },
  "07c-ready-under-its-own-manager": {
    objects: { "one-manager": ready, "two-managers": ready },
  },
  "08-binding-made-first": {
    objects: {
      exact: ready,
      "exact-other-settings": ready,
      "other-driver": ready,
      "other-transport": ready,
      owned: ready,
    },
    "objects-before-connectors": {
      exact: ready,
      "exact-other-settings": ready,
      "other-driver": ready,
      "other-transport": ready,
      owned: ready,
    },
  },
  "09-cancel": {
    objects: { "voice-1": "False RunFinished" },
    "objects-draining": { "voice-1": ready },
  },
  "10-story-edit": {
    objects: { "voice-1": refused },
    "objects-after-engram-edit": { "voice-1": refused },
    "objects-after-story-edit": { "voice-1": refused },
    "objects-after-template-edit": { "voice-1": refused },
    "objects-after-transport-edit": { "voice-1": refused },
    "objects-before": { "voice-1": ready },
  },
  "11-redrive": {
    objects: { "voice-1": ready },
    "objects-after-redrive": { "voice-1": ready },
    "objects-after-step-redrive": { "voice-1": ready },
    "objects-before": { "voice-1": ready },
  },
  "12-deletion-and-finalizers": {
    "objects-after-steprun-delete": { "voice-1": waiting },
    "objects-story-deleted": { "voice-2": ready },
  },
  "13-blocked": {
    objects: {
      "no-engram-1": ready,
      "no-template-1": "False UnknownEngram",
      "no-tls-1": ready,
      "no-transport-1": ready,
      "no-transports-1": "False UnknownTransport",
    },
  },
  "14-heartbeat-and-compatibility": {
    objects: { "voice-1": ready },
  },
  "15-long-and-odd-names": {
    objects: {
      a: ready,
      "a-b": "False BindingCollision",
      "live-assistant-20260422t222729z-9f8e7d6c5b4a3210": ready,
      "with.dots.in-it": refused,
    },
  },
  "16-modes-and-ports": {
    objects: { "voice-1": refused },
    "objects-up": { "voice-1": refused },
  },
  "17-admission": {
    objects: { r1: ready },
  },
  "18-both-operators": {
    objects: { "voice-1": refused },
    "objects-after-cancel": { "voice-1": waiting },
    "objects-before-connectors": { "voice-1": refused },
  },
  "19-both-operators-edge-cases": {
    "objects-after-20s": { "batch-1": none, "other-annotation-1": unknownAnnotation, "with-job-1": refused },
  },
  "20-hub-reports": {
    objects: { "voice-1": ready },
    "objects-materialize": { "voice-1": ready },
    "objects-terminated-8s": { "voice-1": ready },
  },
  "20b-terminated-plain": {
    objects: { "voice-1": ready },
    "objects-materialize": { "voice-1": ready },
  },
};

it("what watches over our writes names one that is refused, one that is not ours, and one that changes nothing", async () => {
  const cluster = new RecordedCluster();
  const run = storyRun("voice-1", "voice");
  cluster.load([run, binding("voice-1-a-transport", run, "a")]);
  const condition = (type: string, message: string): JsonObject => ({
    ...{ type, status: "True", reason: "Any", message, lastTransitionTime: "2026-01-01T00:00:00Z" },
  });
  const apply = (kind: "StoryRun" | "TransportBinding", status: JsonObject) =>
    cluster.applyStatus(
      kind,
      "demo",
      kind === "StoryRun" ? "voice-1" : "voice-1-a-transport",
      "bobravoz-controller",
      status,
    );
  await apply("StoryRun", { conditions: [condition("TransportReady", "")] });
  await apply("TransportBinding", { upstreamHost: "b:1" });
  await apply("TransportBinding", { upstreamHost: "b:1" });
  await apply("TransportBinding", {
    upstreamHost: "b:1",
    conditions: [condition("EndpointResolved", "m".repeat(40_000))],
  });
  assert.equal(cluster.faults.map((fault) => fault.replace(/^.*: |.* controller /, "")), [
    "no Ready",
    "it changes what is theirs",
    "status of TransportBinding voice-1-a-transport by bobravoz-controller changes nothing",
    "message of EndpointResolved is too long",
  ]);
});

const folder = recordingsFolder();
if (folder === null) {
  console.log("recordings are not there: BOBRAVOZ_TEST_RECORDINGS names their folder");
} else {
  for (const scenario of scenarios(folder)) {
    it(`${scenario}: beside what was written, request by request, nothing of theirs is touched`, async () => {
      const cluster = new RecordedCluster();
      const clock = new FakeClock();
      const lines = timeline(folder, scenario);
      const uids = uidsOf(folder, scenario);
      await control(cluster, clock, async () => {
        let seconds = 0;
        for (const line of lines) {
          // What the recording says of us and of the hub operator that we stand in for, we write ourselves.
          const isOurs = line.who === "hub-controller" || line.who === "hub-operator";
          if (isOurs && line.subresource === "status") continue;
          if (line.t > seconds) await clock.stepAsync((line.t - seconds) * 1000);
          seconds = Math.max(seconds, line.t);
          cluster.play(line, uids(line));
          await settle();
        }
      });
      assert.equal(cluster.verdicts, replayed[scenario] ?? {});
      // The edit that ends this one is refused: a new process does not know the plan that is in force until then.
      if (scenario === "10-story-edit") await control(cluster, clock);
      await settled(cluster);
    });
    for (const moment of moments(folder, scenario)) {
      it(`${scenario}, ${moment}: a controller that is started then touches nothing of theirs`, async () => {
        const cluster = new RecordedCluster();
        cluster.load(objectsAt(folder, scenario, moment));
        await control(cluster, new FakeClock());
        assert.equal(verdicts(cluster), found[scenario]?.[moment] ?? {});
        await settled(cluster);
      });
    }
  }
}

it.run();
