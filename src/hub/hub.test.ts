import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TransportError } from "../contract/errors.ts";
import { delivery, plan } from "../../test/support/fake-plans.ts";
import { packet, send, sendBytes } from "../../test/support/fake-port.ts";
import { hubBed } from "../../test/support/hub-bed.ts";

const test = suite("hub");

function reasonOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof TransportError) return `${error.reason}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

test("a packet reaches every target of its step with the identity of the target", () => {
  const { open } = hubBed(plan(["a>b", "a>c"], delivery(10)));
  const a = open("a");
  const b = open("b");
  const c = open("c");
  send(a.session, packet("1", { text: "hi" }));
  for (const [step, { port }] of [["b", b], ["c", c]] as const) {
    const got = port.responses[0]?.packet;
    assert.equal(got?.payload, { text: "hi" });
    assert.equal(got?.metadata, {
      id: "1",
      "storyrun-name": "run",
      "storyrun-namespace": "demo",
      "current-step-id": step,
    });
    assert.is(got?.envelope?.streamId, `demo/run/${step}`);
  }
});

test("D-032, D-033: keys and envelope of the hop before are replaced, the partition stays", () => {
  const { open } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  const b = open("b");
  send(a.session, {
    packet: {
      metadata: {
        "storyrun-name": "other",
        x: "y",
        "materialize-next-step": "z",
        "current-step-id": "q",
        "storyrun-namespace": "n",
      },
      inputs: { i: 1 },
      frame: { case: "binary", value: { payload: new Uint8Array(5000), mimeType: "a/b" } },
      envelope: { streamId: "upstream", sequence: 7n, partition: "p1" },
    },
  });
  const got = b.port.responses[0]?.packet;
  assert.equal(got?.metadata, { x: "y", "storyrun-name": "run", "storyrun-namespace": "demo", "current-step-id": "b" });
  assert.is(got?.envelope?.sequence, 0n);
  assert.is(got?.envelope?.streamId, "demo/run/b");
  assert.is(got?.envelope?.partition, "p1");
  assert.equal(got?.inputs, { i: 1 });
  assert.is(got?.frame.case === "binary" && got.frame.value.payload.length, 5000);
});

test("literal inputs of the target replace those of the packet", () => {
  const { open } = hubBed(plan(["a>b"], delivery(10), { inputs: { voice: "alto" } }));
  const a = open("a");
  const b = open("b");
  send(a.session, { packet: { metadata: { id: "1" }, payload: { n: 1 }, inputs: { voice: "bass", more: true } } });
  send(a.session, packet("2"));
  assert.equal(b.port.responses.map((each) => each.packet?.inputs), [{ voice: "alto" }, { voice: "alto" }]);
  assert.equal(b.port.responses[0]?.packet?.payload, { n: 1 });
});

test("packets for a step that has not connected wait for it, in order", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  for (const id of ["1", "2", "3"]) send(a.session, packet(id));
  assert.is(hub.edges("demo", "run")[0]?.buffered, 3);
  const b = open("b");
  assert.equal(b.port.ids, ["1", "2", "3"]);
  assert.is(hub.edges("demo", "run")[0]?.buffered, 0);
});

test("D-014: at the cap a new key is refused and a known one reconnects", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(10)), { maxStreams: 1 });
  open("a");
  assert.is(reasonOf(() => open("b")), "TooManyStreams: hub max active streams reached");
  assert.is(reasonOf(() => open("a")), "accepted");
  assert.is(hub.facts().refusedStreams, 1);
});

test("D-014: a stream that was ended no longer counts, while it is still closing", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(10)), { maxStreams: 1 });
  const a = open("a");
  sendBytes(a.session, Uint8Array.of(0xff));
  assert.is(a.port.ended?.reason, "InvalidPacket");
  assert.is(hub.facts().activeStreams, 0);
  assert.is(reasonOf(() => open("b")), "accepted");
});

test("D-015: a higher generation takes over, gets what waits, and the old one no longer counts", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  const old = open("b", 1);
  old.port.writable = false;
  send(a.session, packet("1"));
  const next = open("b", 2);
  assert.is(old.port.ended?.message, "superseded by a stream of connector-generation 2");
  assert.equal(next.port.ids, ["1"]);
  send(a.session, packet("2"));
  assert.equal(next.port.ids, ["1", "2"]);
  const replaced = open("a", 3);
  send(a.session, packet("late"));
  send(replaced.session, packet("3"));
  assert.equal(next.port.ids, ["1", "2", "3"]);
  assert.is(hub.edges("demo", "run")[0]?.received, 3);
});

test("D-016: the same generation takes over and receives what waits in order", () => {
  const { open } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  const old = open("b", 4);
  old.port.writable = false;
  for (const id of ["1", "2"]) send(a.session, packet(id));
  const next = open("b", 4);
  assert.equal(next.port.ids, ["1", "2"]);
});

test("a stale generation is refused, also after the newer one has left", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(10)));
  const b = open("b", 5);
  assert.match(reasonOf(() => open("b", 4)), /^StaleGeneration: .*generation 4 .* generation 5/);
  hub.close(b.session, null);
  assert.match(reasonOf(() => open("b", 4)), /^StaleGeneration/);
  assert.is(reasonOf(() => open("b", 5)), "accepted");
});

test("D-017: every active stream gets the heartbeat at the interval, without envelope", () => {
  const { open, clock } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  clock.step(10_000);
  const beat = a.port.responses[0]?.packet;
  assert.equal(beat?.metadata, { "bubu-heartbeat": "true" });
  assert.equal(beat?.payload, {});
  assert.is(beat?.envelope, undefined);
});

test("D-019: a request with flow only, or with nothing, makes no packet and no error", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  send(a.session, { flow: { creditsMessages: 3 } });
  send(a.session, {});
  assert.is(a.port.ended, undefined);
  assert.is(hub.edges("demo", "run")[0]?.received, 0);
});

test("D-020: a packet of a step that the Story does not have is dropped and the stream stays", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(10)));
  const x = open("x");
  send(x.session, packet("1"));
  assert.is(x.port.ended, undefined);
  assert.is(hub.facts().counters.unrouted, 1);
});

test("D-021: a packet without payload, inputs and frame reaches nobody, and is counted", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  const b = open("b");
  send(a.session, { packet: { metadata: { id: "1" } } });
  assert.equal(b.port.responses, []);
  assert.equal([...hub.edges("demo", "run")[0]!.dropped], [["empty", 1]]);
});

test("a chunked packet is dropped under NotSupported and the stream goes on", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  const b = open("b");
  send(a.session, {
    packet: {
      frame: { case: "binary", value: { payload: new Uint8Array(3), mimeType: "a/b" } },
      envelope: { streamId: "s", chunkId: "c", chunkIndex: 0, chunkCount: 2 },
    },
  });
  send(a.session, packet("1"));
  assert.equal(b.port.ids, ["1"]);
  assert.equal([...hub.edges("demo", "run")[0]!.dropped], [["NotSupported", 1]]);
});

test("heartbeats of a step reach its connected targets and are no packets", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  const b = open("b");
  send(a.session, { packet: { metadata: { "bubu-heartbeat": "true" }, payload: {} } });
  assert.is(b.port.responses[0]?.packet?.metadata["bubu-heartbeat"], "true");
  assert.is(hub.edges("demo", "run")[0]?.received, 0);
});

test("garbage and packets over the wire's limits end that stream with InvalidPacket, what was accepted stays", () => {
  const { open } = hubBed(plan(["a>b"], delivery(10)));
  const bad: ((session: ReturnType<typeof open>["session"]) => void)[] = [
    (session) => sendBytes(session, Uint8Array.of(0xff, 0xff, 0xff)),
    (session) => sendBytes(session, Uint8Array.of(0x0a, 0x05, 0x01)),
    (session) => send(session, { packet: { metadata: { k: "v".repeat(1025) } } }),
    (session) => send(session, { packet: { metadata: { ["k".repeat(129)]: "" } } }),
    (session) =>
      send(session, { packet: { metadata: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`k${i}`, ""])) } }),
    (session) => send(session, { packet: { frame: { case: "audio", value: { channels: 1 } } } }),
    (session) => send(session, { packet: { payload: {}, envelope: { chunkIndex: 1 } } }),
    (session) => sendBytes(session, Uint8Array.of(0x0a, 0x07, 0x0a, 0x05, 0x0a, 0x01, 0xff, 0x12, 0x00)),
  ];
  for (const [index, send1] of bad.entries()) {
    const a = open("a");
    send(a.session, packet(`before ${index}`));
    send1(a.session);
    assert.is(a.port.ended?.reason, "InvalidPacket", `case ${index}`);
    assert.match(a.port.ended?.message ?? "", /^transport process request invalid: \w/);
  }
  const b = open("b");
  assert.is(b.port.ids.length, bad.length);
});

test("metadata at the limits passes: 100 pairs, keys of 128 and values of 1024 characters, not bytes", () => {
  const { open } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  const b = open("b");
  const metadata = Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`k${i}`, ""]));
  metadata["é".repeat(128)] = "ü".repeat(1024);
  send(a.session, { packet: { metadata, payload: {} } });
  assert.is(a.port.ended, undefined);
  assert.is(b.port.responses[0]?.packet?.metadata["é".repeat(128)], "ü".repeat(1024));
});

test("D-039: after the initial credit the next packet waits, and a credit of 1 releases exactly one", () => {
  const { open } = hubBed(plan(["a>b"], delivery(10, { credits: { maxMessages: 2, maxBytes: 1 << 20 } })));
  const a = open("a");
  const b = open("b");
  for (const id of ["1", "2", "3", "4"]) send(a.session, packet(id));
  assert.equal(b.port.ids, ["1", "2"]);
  send(b.session, { flow: { creditsMessages: 1, creditsBytes: 1 << 19 } });
  assert.equal(b.port.ids, ["1", "2", "3"]);
  send(b.session, { flow: { creditsMessages: 1_000_000 } });
  for (const id of ["5", "6", "7"]) send(a.session, packet(id));
  assert.equal(b.port.ids, ["1", "2", "3", "4", "5"], "credit never exceeds the initial grant");
});

test("without a drop policy a full target holds its sender until it takes packets again", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(2)));
  const a = open("a");
  const b = open("b");
  b.port.writable = false;
  assert.is(send(a.session, packet("1")), true);
  assert.is(send(a.session, packet("2")), true);
  assert.is(send(a.session, packet("3")), false);
  assert.is(hub.edges("demo", "run")[0]?.buffered, 3);
  b.port.writable = true;
  b.session.writable();
  assert.is(a.port.resumes, 1);
  assert.equal(b.port.ids, ["1", "2", "3"]);
});

test("a stalled target drops alone after the stall limit, at once from then on, and recovers", () => {
  const { open, hub, clock } = hubBed(plan(["a>slow", "a>fast"], delivery(1)));
  const a = open("a");
  const slow = open("slow");
  const fast = open("fast");
  slow.port.writable = false;
  send(a.session, packet("1"));
  assert.is(send(a.session, packet("2")), false);
  assert.equal(fast.port.ids, ["1", "2"], "its sibling has the packet at once");
  clock.step(4999);
  assert.is(a.port.resumes, 0);
  clock.step(1);
  assert.is(a.port.resumes, 1);
  assert.is(send(a.session, packet("3")), true);
  assert.equal(fast.port.ids, ["1", "2", "3"]);
  const edge = hub.edges("demo", "run")[0]!;
  assert.equal([...edge.dropped], [["buffer_full", 2]]);
  assert.is(edge.received, edge.delivered + edge.buffered + 2);
  slow.port.writable = true;
  slow.session.writable();
  send(a.session, packet("4"));
  assert.equal(slow.port.ids, ["1", "4"]);
});

test("a held sender goes on as soon as what filled its target has expired", () => {
  const { open, hub, clock } = hubBed(plan(["a>b"], delivery(1, { maxAgeMs: 1000 })), { sweepMs: 1500 });
  const a = open("a");
  send(a.session, packet("1"));
  assert.is(send(a.session, packet("2")), false);
  clock.step(1500);
  assert.is(a.port.resumes, 1);
  assert.equal([...hub.edges("demo", "run")[0]!.dropped], [["expired", 1]]);
  assert.is(hub.edges("demo", "run")[0]!.buffered, 1);
});

test("a held sender goes on as soon as a part of what filled its target has expired", () => {
  const { open, hub, clock } = hubBed(plan(["a>b"], delivery(2, { maxAgeMs: 1000 })), { sweepMs: 1500 });
  const a = open("a");
  send(a.session, packet("1"));
  clock.step(700);
  send(a.session, packet("2"));
  assert.is(send(a.session, packet("3")), false);
  clock.step(800);
  assert.is(a.port.resumes, 1);
  assert.is(hub.edges("demo", "run")[0]!.buffered, 2);
});

test("a held sender goes on as soon as an edit raises its target's limit", () => {
  const { open, hub, plans } = hubBed(plan(["a>b"], delivery(1)));
  const a = open("a");
  send(a.session, packet("1"));
  assert.is(send(a.session, packet("2")), false);
  plans.set(plan(["a>b"], delivery(3)));
  assert.is(a.port.resumes, 1);
  assert.is(hub.edges("demo", "run")[0]!.buffered, 2);
});

test("a step that gets another id by an edit connects again and gets its packets, its siblings go on meanwhile", () => {
  const { open, plans } = hubBed(plan(["a>meter", "a>b"], delivery(2)));
  const [a, meter, b] = [open("a"), open("meter"), open("b")];
  send(a.session, packet("1"));
  plans.set({ ...plan(["a>level", "a>b"], delivery(2)), aliases: new Map([["meter", "level"]]) });
  assert.match(meter.port.ended?.message ?? "", /^step "meter" of demo\/run has another id now/);
  const again = open("meter");
  for (const id of ["2", "3", "4"]) assert.is(send(a.session, packet(id)), true);
  assert.equal(b.port.ids, ["1", "2", "3", "4"]);
  assert.equal(again.port.ids, ["2", "3", "4"]);
});

test("what is held for a step that an edit removes is dropped with it, and its sender goes on", () => {
  const { open, hub, plans } = hubBed(plan(["a>b", "a>c"], delivery(1)));
  const a = open("a");
  open("c");
  send(a.session, packet("1"));
  assert.is(send(a.session, packet("2")), false);
  plans.set(plan(["a>c"], delivery(1)));
  assert.is(a.port.resumes, 1);
  const edge = hub.edges("demo", "run").find(({ to }) => to === "b")!;
  assert.equal([edge.buffered, [...edge.dropped]], [0, [["step_removed", 2]]]);
  assert.is(hub.facts().bufferedBytes, 0);
});

test("steps that the Story does not have leave nothing behind", () => {
  const { open, hub } = hubBed(plan(["a>b"], delivery(1)));
  for (let i = 0; i < 50; i++) hub.close(open(`ghost-${i}`).session, null);
  // a fence of an earlier stranger would refuse a lower generation
  hub.close(open("ghost", 9).session, null);
  assert.is(reasonOf(() => open("ghost", 1)), "accepted");
});

test("a plan that changes moves packets the new way from the next one on", () => {
  const { open, plans } = hubBed(plan(["a>b"], delivery(10)));
  const [a, b, c] = [open("a"), open("b"), open("c")];
  send(a.session, packet("1"));
  plans.set(plan(["a>c", "c>b"], delivery(10)));
  send(a.session, packet("2"));
  assert.equal(b.port.ids, ["1"]);
  assert.equal(c.port.ids, ["2"]);
});

test("a direct edge beside a hub edge is left to its sender; alone it is carried", () => {
  const { open, plans } = hubBed(plan(["a~b", "a>c"], delivery(10)));
  const [a, b, c] = [open("a"), open("b"), open("c")];
  send(a.session, packet("1"));
  assert.equal([b.port.ids, c.port.ids], [[], ["1"]]);
  plans.set(plan(["a~b"], delivery(10)));
  send(a.session, packet("2"));
  assert.equal(b.port.ids, ["2"]);
});

test("a run that is unknown, refused or over is told so on its own stream", () => {
  const refused = { ...plan([], delivery(1)), refusal: new TransportError("NotSupported", "spec.steps[0].runtime") };
  assert.is(reasonOf(() => hubBed(refused).open("a")), "NotSupported: spec.steps[0].runtime");
  const unknown = hubBed(null);
  const early = unknown.open("a");
  assert.is(early.port.ended, undefined);
  send(early.session, packet("1"));
  assert.is(early.port.ended?.reason, "Unavailable");
  const { open, plans } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  plans.set(null);
  assert.is(a.port.ended?.reason, "Unavailable");
});

test("a drain refuses new streams, sends what waits, and ends every stream with HubDraining", async () => {
  const { open, hub, clock } = hubBed(plan(["a>b"], delivery(10)));
  const a = open("a");
  const b = open("b");
  b.port.writable = false;
  send(a.session, packet("1"));
  const drained = hub.drain(1000);
  assert.match(reasonOf(() => open("c")), /^HubDraining/);
  assert.is(send(a.session, packet("2")), false, "its sender is read no further");
  b.port.writable = true;
  b.session.writable();
  clock.step(10);
  await drained;
  assert.equal(b.port.ids, ["1", "2"]);
  assert.equal([a.port.ended?.reason, b.port.ended?.reason], ["HubDraining", "HubDraining"]);
});

test("a step that stays away longer than its buffer lives loses it, counted evicted", () => {
  const { open, hub, clock } = hubBed(plan(["a>b"], delivery(10)));
  send(open("a").session, packet("1"));
  clock.step(661_000);
  assert.equal([...hub.edges("demo", "run")[0]!.dropped], [["evicted", 1]]);
});

test("half-closing delivers what waits for the stream and ends it well", () => {
  const { open } = hubBed(plan(["a>b"], delivery(10)));
  send(open("a").session, packet("1"));
  const b = open("b");
  b.session.halfClosed();
  assert.equal(b.port.ids, ["1"]);
  assert.is(b.port.ended, null);
});

test.run();
