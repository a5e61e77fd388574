import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeClock } from "../../../../test/support/fake-clock.ts";
import type { JsonObject } from "../../../contract/resources.ts";
import { silentLog } from "../../../contract/runtime.ts";
import type { KubeApi, RequestOptions } from "./api.ts";
import { EventRecorder } from "./event-recorder.ts";
import { errorOf, KubeFault } from "./fault.ts";

const it = suite("event recorder");

const event = {
  kind: "StoryRun",
  namespace: "demo",
  name: "voice-1",
  type: "Normal",
  reason: "TransportReady",
  message: "all bindings are ready",
} as const;

/** An API server that keeps Events, and fails as often as it is told. */
function recording() {
  const clock = new FakeClock();
  const requests: string[] = [];
  const events = new Map<string, JsonObject>();
  const server = { failures: [] as number[] };
  const api: Pick<KubeApi, "request"> = {
    request(method: string, path: string, { body }: RequestOptions) {
      const status = server.failures.shift();
      const name = method === "POST" ? (body as { metadata: { name: string } }).metadata.name : path.split("/").pop()!;
      requests.push(`${method} ${status ?? 200}`);
      if (status !== undefined) return Promise.reject(errorOf(method, path, new KubeFault(status, "", "no")));
      events.set(name, { ...events.get(name), ...body as JsonObject });
      return Promise.resolve({});
    },
  };
  const recorder = new EventRecorder({ api, clock, log: silentLog, recorder: "r", instance: "i", seriesMs: 1_000 });
  const counts = () => [...events.values()].map(({ series }) => (series as { count: number } | undefined)?.count ?? 1);
  return { clock, requests, events, server, recorder, counts };
}

it("C-109 equal events are one object, written once and then by their count", async () => {
  const { clock, requests, recorder, counts } = recording();
  recorder.record(event);
  await recorder.flush();
  for (let times = 0; times < 100; times += 1) recorder.record(event);
  assert.equal(requests, ["POST 200"]);
  clock.step(1_000);
  await recorder.flush();
  assert.equal(requests, ["POST 200", "PATCH 200"]);
  assert.equal(counts(), [101]);
});

it("another message, and one after six quiet minutes, are events of their own", async () => {
  const { clock, recorder, counts } = recording();
  recorder.record(event);
  recorder.record({ ...event, message: "other" });
  await recorder.flush();
  clock.step(6 * 60_000);
  recorder.record(event);
  await recorder.flush();
  assert.equal(counts(), [1, 1, 1]);
});

it("an API server that is not there gets the event later, one that refuses it loses it alone", async () => {
  const { clock, requests, server, recorder, counts } = recording();
  server.failures = [0, 503];
  recorder.record(event);
  await recorder.flush();
  assert.equal(requests, ["POST 0"]);
  clock.step(1_000);
  await recorder.flush();
  assert.equal(counts(), []);
  clock.step(2_000);
  await recorder.flush();
  assert.equal(counts(), [1]);
  server.failures = [403];
  recorder.record({ ...event, message: "refused" });
  await recorder.flush();
  assert.is(recorder.dropped, 1);
});

it("an event that the API server has forgotten is made again with its count", async () => {
  const { requests, server, recorder } = recording();
  recorder.record(event);
  await recorder.flush();
  recorder.record(event);
  server.failures = [404];
  await recorder.flush();
  assert.equal(requests, ["POST 200", "PATCH 404", "POST 200"]);
});

it("a flood of different events is bounded, and what is dropped is counted", async () => {
  const { requests, recorder } = recording();
  for (let times = 0; times < 1_500; times += 1) recorder.record({ ...event, message: String(times) });
  assert.is(recorder.dropped, 500);
  await recorder.flush();
  assert.is(requests.length, 1_000);
});

it.run();
