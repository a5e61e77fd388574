import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { packet, send } from "../../test/support/fake-port.ts";
import { delivery, plan } from "../../test/support/fake-plans.ts";
import { hubBed } from "../../test/support/hub-bed.ts";
import { isTransportError } from "../contract/errors.ts";

const test = suite("placed runs");

const owner = "hub-1.hub-pods.sys.svc.cluster.local:9000";

test("a stream of a run that another hub holds is refused with that hub's name, before its first packet", () => {
  const { open, plans, hub } = hubBed(null);
  plans.place({ owner }, null);
  try {
    open("a");
    assert.unreachable("it was taken");
  } catch (error) {
    assert.ok(isTransportError(error, "Unavailable"), String(error));
    assert.is(error.message, `StoryRun demo/run is held by ${owner}`);
  }
  plans.place("nobody", null);
  assert.throws(() => open("a"), /StoryRun demo\/run has no hub that is known here/);
  assert.is(hub.facts().activeStreams, 0);
  plans.place("here", plan(["a>b"], delivery(10)));
  assert.is(open("a").port.ended, undefined);
});

test("a run that is moved away has its streams ended with the new hub's name, and what waited is counted as moved", () => {
  const { open, plans, hub } = hubBed(plan(["a>b", "a>c"], delivery(2)));
  const [a, c] = [open("a"), open("c")];
  for (const id of ["1", "2", "3"]) send(a.session, packet(id));
  assert.equal(hub.edges("demo", "run").map(({ buffered }) => buffered), [3, 0], "one is held, two wait for b");
  plans.place({ owner }, null);
  for (const { port } of [a, c]) {
    assert.is(port.ended?.reason, "Unavailable");
    assert.is(port.ended?.message, `StoryRun demo/run is held by ${owner}`);
  }
  assert.equal(c.port.ids, ["1", "2", "3"]);
  const edges = hub.facts().edges.map(({ to, received, delivered, buffered, dropped }) => ({
    to,
    counts: [received, delivered, buffered],
    dropped: [...dropped],
  }));
  assert.equal(edges, [
    { to: "b", counts: [3, 0, 0], dropped: [["moved", 3]] },
    { to: "c", counts: [3, 3, 0], dropped: [] },
  ]);
  assert.equal([hub.facts().activeStreams, hub.facts().bufferedBytes], [0, 0]);
  assert.equal(hub.edges("demo", "run"), []);
});

test("a run whose record is gone for a while keeps its streams", () => {
  const { open, plans } = hubBed(plan(["a>b"], delivery(10)));
  const [a, b] = [open("a"), open("b")];
  plans.place("nobody", plan(["a>b"], delivery(10)));
  send(a.session, packet("1"));
  assert.equal([a.port.ended, b.port.ids], [undefined, ["1"]]);
});

test("wherever a run is moved, received is delivered plus dropped, and no stream and no byte is left behind", () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant("send" as const), from: fc.constantFrom("a", "b") }),
    fc.record({ type: fc.constant("open" as const), from: fc.constantFrom("a", "b", "c") }),
    fc.record({ type: fc.constant("move" as const), from: fc.constantFrom("here", "away") }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const bed = hubBed(plan(["a>b", "b>c", "a>c"], delivery(2)));
    const open = new Map<string, ReturnType<typeof bed.open>>();
    for (const { type, from } of steps) {
      if (type === "move") {
        if (from === "here") bed.plans.place("here", plan(["a>b", "b>c", "a>c"], delivery(2)));
        else bed.plans.place({ owner }, null);
      } else if (type === "open" && bed.plans.holder() === "here") open.set(from, bed.open(from));
      else if (type === "send") {
        const stream = open.get(from);
        if (stream !== undefined) send(stream.session, packet("x"));
      }
    }
    bed.plans.place({ owner }, null);
    for (const { received, delivered, buffered, dropped } of bed.hub.facts().edges) {
      assert.is(buffered, 0);
      assert.is(received, delivered + [...dropped.values()].reduce((sum, count) => sum + count, 0));
    }
    assert.equal([bed.hub.facts().activeStreams, bed.hub.facts().bufferedBytes], [0, 0]);
  }));
});

test.run();
