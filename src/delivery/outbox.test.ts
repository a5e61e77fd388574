import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DeliveryPlan } from "../routing/plan.ts";
import { EdgeStats } from "./edge.ts";
import { ByteBudget, Outbox } from "./outbox.ts";
import { Packet } from "./packet.ts";

const test = suite("outbox");
const none = { audio: null, video: null, binary: null, payload: null };
const suffix = new Uint8Array(0);

function plan(changes: Partial<DeliveryPlan>): DeliveryPlan {
  return {
    buffer: { maxMessages: 3, maxBytes: 100 },
    maxAgeMs: 0,
    dropPolicy: null,
    lanes: none,
    credits: null,
    ...changes,
  };
}

function packet(bytes: number, lane = 0): Packet {
  return new Packet(new Uint8Array(bytes), 0, bytes, null, bytes, lane, true, false, null);
}

function dropped(edge: EdgeStats): Record<string, number> {
  return Object.fromEntries(edge.snapshot().dropped);
}

function outbox(changes: Partial<DeliveryPlan>, budget = new ByteBudget(1e9, 1000)) {
  const box = new Outbox(plan(changes), budget);
  const edge = new EdgeStats("a", "b", "hub");
  const offer = (bytes: number, lane = 0, nowMs = 0) => box.offer(packet(bytes, lane), edge, suffix, bytes, nowMs);
  const sizes = () => {
    const all: number[] = [];
    for (let next = box.take(); next !== undefined; next = box.take()) all.push(next.size);
    return all;
  };
  return { box, edge, offer, sizes };
}

test("packets leave in the order in which they came, whatever their lanes", () => {
  const { offer, sizes } = outbox({ buffer: { maxMessages: 10, maxBytes: 1000 } });
  for (const [bytes, lane] of [[1, 1], [2, 0], [3, 3], [4, 1], [5, 2]] as const) assert.is(offer(bytes, lane), null);
  assert.equal(sizes(), [1, 2, 3, 4, 5]);
});

test("D-037: drop_newest refuses and drop_oldest evicts, each counted with its reason", () => {
  const newest = outbox({ dropPolicy: "drop_newest" });
  for (let bytes = 1; bytes <= 4; bytes++) newest.offer(bytes);
  assert.equal(dropped(newest.edge), { buffer_full: 1 });
  assert.equal(newest.sizes(), [1, 2, 3]);
  const oldest = outbox({ dropPolicy: "drop_oldest" });
  for (let bytes = 1; bytes <= 4; bytes++) oldest.offer(bytes);
  assert.equal(dropped(oldest.edge), { drop_oldest: 1 });
  assert.equal(oldest.sizes(), [2, 3, 4]);
});

test("D-038: a message larger than the byte limit is oversize under every policy", () => {
  for (const dropPolicy of ["drop_newest", "drop_oldest", null] as const) {
    const { offer, edge } = outbox({ dropPolicy });
    assert.is(offer(101), "oversize");
    assert.equal(dropped(edge), { oversize: 1 });
  }
});

test("a full lane evicts its own oldest, or refuses, and leaves the others alone", () => {
  const lanes = { ...none, audio: { maxMessages: 1, maxBytes: 50 } };
  const oldest = outbox({ dropPolicy: "drop_oldest", lanes });
  oldest.offer(1, 0);
  oldest.offer(2, 1);
  oldest.offer(3, 1);
  assert.equal(dropped(oldest.edge), { drop_oldest_lane: 1 });
  assert.is(oldest.offer(51, 1), "lane_oversize");
  assert.equal(oldest.sizes(), [1, 3]);
  const held = outbox({ lanes });
  held.offer(2, 1);
  assert.is(held.offer(3, 1), "lane_full");
  assert.equal(dropped(held.edge), {}, "without a policy the caller decides");
});

test("D-046: a packet older than maxAgeSeconds is counted expired and never taken", () => {
  const { box, offer, edge, sizes } = outbox({ maxAgeMs: 1000 });
  offer(1, 0, 0);
  offer(2, 0, 900);
  box.expire(1001);
  assert.equal(dropped(edge), { expired: 1 });
  assert.equal(sizes(), [2]);
});

test("a lowered limit trims the oldest under apply_limits", () => {
  const { box, offer, edge, sizes } = outbox({});
  for (let bytes = 1; bytes <= 3; bytes++) offer(bytes);
  box.applyPlan(plan({ buffer: { maxMessages: 1, maxBytes: 100 } }));
  assert.equal(dropped(edge), { apply_limits: 2 });
  assert.equal(sizes(), [3]);
});

test("the shared byte budget refuses the one above its fair share only", () => {
  const budget = new ByteBudget(100, 1000);
  const large = outbox({ buffer: { maxMessages: 100, maxBytes: 1000 } }, budget);
  const small = outbox({ buffer: { maxMessages: 100, maxBytes: 1000 } }, budget);
  assert.is(small.offer(10), null);
  assert.is(large.offer(85), null);
  assert.is(large.offer(10), "buffer_full");
  assert.is(small.offer(10), null);
});

test("law: caps are never exceeded and received = delivered + buffered + dropped, for any sequence", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("offer" as const), bytes: fc.integer({ min: 0, max: 60 }), lane: fc.nat({ max: 3 }) }),
    fc.record({ op: fc.constant("take" as const) }),
    fc.record({ op: fc.constant("wait" as const), ms: fc.nat({ max: 50 }) }),
  );
  const policy = fc.constantFrom("drop_newest" as const, "drop_oldest" as const, null);
  fc.assert(
    fc.property(policy, fc.constantFrom(0, 40), fc.array(step, { maxLength: 60 }), (dropPolicy, maxAgeMs, steps) => {
      const lanes = { ...none, audio: { maxMessages: 2, maxBytes: 60 } };
      const { box, edge, offer } = outbox({ dropPolicy, maxAgeMs, lanes });
      let nowMs = 0;
      let refused = 0;
      for (const each of steps) {
        if (each.op === "wait") nowMs += each.ms;
        else if (each.op === "take") {
          if (box.take() !== undefined) edge.delivered++;
        } else {
          edge.received++;
          const answer = offer(each.bytes, each.lane, nowMs);
          if (dropPolicy === null && (answer === "buffer_full" || answer === "lane_full")) refused++;
        }
        assert.ok(box.messages <= 3 && box.bytes <= 100);
        const sum = [...edge.snapshot().dropped.values()].reduce((a, b) => a + b, 0);
        assert.is(edge.received, edge.delivered + edge.buffered + sum + refused);
        assert.is(edge.buffered, box.messages);
      }
    }),
  );
});

test.run();
