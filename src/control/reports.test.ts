import * as assert from "uvu/assert";
import { suite } from "uvu";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ConnectorState, ReportConnectorRequestSchema } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { FakeClock, settle } from "../../test/support/fake-clock.ts";
import { isTransportError, TransportError } from "../contract/errors.ts";
import type { JsonObject, TransportBinding } from "../contract/resources.ts";
import { silentLog } from "../contract/runtime.ts";
import { checkedReport } from "./connector-report.ts";
import { ConnectorReports } from "./reports.ts";

const test = suite("connector reports");
const key = { namespace: "demo", storyRun: "voice-7", step: "vad" };
const name = "voice-7-vad-transport";
const signal = new AbortController().signal;

function report(more: MessageInitShape<typeof ReportConnectorRequestSchema> = {}) {
  return checkedReport(
    create(ReportConnectorRequestSchema, { ...key, generation: 1, state: ConnectorState.READY, ...more }),
  );
}

function bed(statusBefore: TransportBinding["status"] = undefined) {
  const clock = new FakeClock();
  const writes: JsonObject[] = [];
  const status = { now: statusBefore as JsonObject | undefined, fails: false };
  const reports = new ConnectorReports({
    cluster: {
      applyStatus(kind, namespace, binding, manager, wanted) {
        if (status.fails) return Promise.reject(new Error("no"));
        assert.equal([kind, namespace, binding, manager], ["TransportBinding", "demo", name, "bobravoz-connector"]);
        writes.push(wanted);
        status.now = wanted;
        return Promise.resolve();
      },
    },
    binding:
      () => ({ kind: "TransportBinding", metadata: { name }, status: status.now } as unknown as TransportBinding),
    clock,
    log: silentLog,
  });
  return { clock, writes, reports, status };
}

function conditions(status: JsonObject | undefined) {
  const list = status?.conditions as unknown as readonly Record<string, string>[];
  return list.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`);
}

test("a report becomes negotiated codecs and conditions of the binding", async () => {
  const { reports, writes } = bed();
  await reports.report(
    report({
      audio: { name: "pcm16", sampleRateHz: 16000, channels: 1 },
      video: { name: "vp8" },
      binary: "application/json",
      listener: { endpoint: "10.0.0.7:50051", serverName: "vad.demo.svc" },
    }),
    name,
    signal,
  );
  const { conditions: _, ...codecs } = writes[0]!;
  assert.equal(codecs, {
    negotiatedAudio: { name: "pcm16", sampleRateHz: 16000, channels: 1 },
    negotiatedVideo: { name: "vp8" },
    negotiatedBinary: "application/json",
  });
  assert.equal(conditions(writes[0]), [
    "Ready=True TransportReady: Connector reported negotiated codecs",
    "PeerListening=True ListenerAnnounced: 10.0.0.7:50051 vad.demo.svc",
  ]);
});

test("C-053: a codec name that the schema does not know is never written", async () => {
  const { reports, writes } = bed();
  await reports.report(report({ audio: { name: "pcm-16" }, video: { name: "theora" } }), name, signal);
  assert.equal(Object.keys(writes[0]!), ["conditions"]);
});

test("an unchanged report writes nothing, and times move only on a transition", async () => {
  const { reports, writes, clock } = bed();
  await reports.report(report(), name, signal);
  clock.step(60_000);
  await reports.report(report(), name, signal);
  assert.is(writes.length, 1);
  await reports.report(report({ binary: "text/plain" }), name, signal);
  const times = writes.map((status) => (status.conditions as JsonObject[])[0]!.lastTransitionTime);
  assert.equal(times, ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]);
  await reports.report(report({ state: ConnectorState.FAILED, message: "no microphone" }), name, signal);
  assert.is((writes[2]!.conditions as JsonObject[])[0]!.lastTransitionTime, "2026-01-01T00:01:00Z");
  assert.equal(conditions(writes[2]), ["Ready=False ConnectorFailed: no microphone"]);
});

test("what another replica wrote over it is written again", async () => {
  const { reports, writes, status } = bed();
  await reports.report(report(), name, signal);
  status.now = { conditions: [] };
  await reports.report(report(), name, signal);
  assert.is(writes.length, 2);
});

test("a lower generation is refused, and an equal or higher one counts", async () => {
  const { reports } = bed();
  await reports.report(report({ generation: 3 }), name, signal);
  await reports.report(report({ generation: 3 }), name, signal);
  try {
    await reports.report(report({ generation: 2 }), name, signal);
    assert.unreachable();
  } catch (error) {
    assert.ok(isTransportError(error, "StaleGeneration"));
    assert.match((error as TransportError).message, "generation 2");
  }
  assert.is(reports.facts(key).report?.generation, 3);
});

test("a failed write is Unavailable, and the same report sent again is written", async () => {
  const { reports, writes, status } = bed();
  status.fails = true;
  try {
    await reports.report(report(), name, signal);
    assert.unreachable();
  } catch (error) {
    assert.ok(isTransportError(error, "Unavailable"));
  }
  status.fails = false;
  await reports.report(report(), name, signal);
  assert.is(writes.length, 1);
});

test("K-12: a connector whose watch ended loses its listener after the grace, unless a new watch begins", async () => {
  const { reports, writes, clock } = bed();
  const listener = { endpoint: "127.0.0.1:5000", serverName: "" };
  const first = reports.watched(key);
  await reports.report(report({ listener }), name, signal);
  first();
  clock.step(1_999);
  const second = reports.watched(key);
  clock.step(10_000);
  await settle();
  assert.is(writes.length, 1);
  second();
  second();
  clock.step(2_000);
  await settle();
  assert.equal(conditions(writes[1]), [
    "Ready=True TransportReady: Connector reported negotiated codecs",
    "PeerListening=False ConnectorGone: Connector ended its watch",
  ]);
  assert.is(reports.facts(key).listener, null);
  await reports.report(report({ listener }), name, signal);
  assert.is(conditions(writes[2])[1], "PeerListening=True ListenerAnnounced: 127.0.0.1:5000");
});

test("a connector that drains takes no more peers", async () => {
  const { reports, writes } = bed();
  const listener = { endpoint: "127.0.0.1:5000", serverName: "" };
  await reports.report(report({ listener }), name, signal);
  await reports.report(report({ listener, state: ConnectorState.DRAINING }), name, signal);
  assert.equal(conditions(writes[1]), [
    "Ready=False ConnectorDraining: Connector is draining",
    "PeerListening=False ListenerWithdrawn: Connector has no listener",
  ]);
});

test("acknowledgements and rejections are kept until the next ones", () => {
  const { reports } = bed();
  const rejection = { binding: "demo/b", version: "2", reason: "DriverUnknown", message: "" };
  reports.verdict(key, { version: "1", rejection: null });
  reports.verdict(key, { version: "2", rejection });
  assert.equal(reports.facts(key), { report: null, listener: null, acked: "1", rejection });
  reports.verdict(key, { version: "3", rejection: null });
  assert.is(reports.facts(key).rejection, null);
  reports.forget(key);
  assert.is(reports.facts(key).acked, "");
});

test("a report names every field that is missing or wrong", () => {
  const broken = create(ReportConnectorRequestSchema, {
    step: "vad",
    listener: { endpoint: "nowhere" },
    edges: [{ from: "a", to: "b" }],
  });
  try {
    checkedReport(broken);
    assert.unreachable();
  } catch (error) {
    assert.ok(isTransportError(error, "InvalidRequest"));
    for (const part of ["namespace is missing", "story_run is missing", "edges[0]", `"nowhere", not host:port`]) {
      assert.match((error as TransportError).message, part);
    }
  }
  const generation = () => report({ generation: 0 });
  assert.throws(generation, (error: unknown) => isTransportError(error, "InvalidGeneration"));
});

test.run();
