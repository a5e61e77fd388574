import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { isNewer, SeenObjects } from "./seen-objects.ts";

const it = suite("seen objects");

interface Small {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
}

const at = (version: number, uid = "u", name = "x"): Small => ({
  metadata: { name, uid, resourceVersion: String(version) },
});
const types = (events: readonly { readonly type: string; readonly object: Small }[]) =>
  events.map(({ type, object }) => `${type} ${object.metadata.uid}`);

it("the newest version of a uid holds, whatever order they come in", () => {
  const seen = new SeenObjects<Small>();
  assert.equal(types(seen.upsert(at(9))), ["upserted u"]);
  assert.equal(seen.upsert(at(8)), []);
  assert.equal(seen.upsert(at(9)), []);
  assert.equal(types(seen.upsert(at(10))), ["upserted u"]);
  assert.is(seen.stale, 2);
});

it("what was deleted stays deleted, and a new object of its name is another", () => {
  const seen = new SeenObjects<Small>();
  seen.upsert(at(1));
  assert.equal(types(seen.remove(at(3))), ["deleted u"]);
  assert.equal(seen.upsert(at(2)), []);
  assert.equal(types(seen.upsert(at(5, "v"))), ["upserted v"]);
  assert.equal(seen.remove(at(4)), [], "the old one's deletion again");
});

it("a new object of a name deletes the one before it, whose own deletion then tells nothing", () => {
  const seen = new SeenObjects<Small>();
  seen.upsert(at(1, "u"));
  assert.equal(types(seen.upsert(at(4, "v"))), ["deleted u", "upserted v"]);
  assert.equal(seen.remove(at(3, "u")), []);
  assert.is(seen.size, 1);
});

it("a re-list's Deleted carries the version known: the list decides whether it is true", () => {
  const seen = new SeenObjects<Small>();
  seen.upsert(at(5, "old"));
  seen.upsert(at(9, "young", "y"));
  assert.equal(seen.remove(at(5, "old")), []);
  assert.equal(seen.remove(at(9, "young", "y")), []);
  assert.equal(types(seen.settle(new Set(), "7")), ["deleted old"]);
  assert.is(seen.size, 1, "the list was older than the young one");
});

it("versions compare as numbers of any length", () => {
  assert.ok(isNewer("10", "9"));
  assert.not(isNewer("9", "10"));
  assert.not(isNewer("10", "10"));
  assert.ok(isNewer("18446744073709551615", "9007199254740993"));
});

it("events in any order, some of them twice, end in the state that the last ones say", () => {
  const steps = fc.array(fc.constantFrom("write", "delete"), { minLength: 1, maxLength: 8 });
  const order = fc.array(fc.nat(100), { minLength: 20, maxLength: 20 });
  fc.assert(fc.property(steps, order, (script, picks) => {
    const events: { readonly isDeleted: boolean; readonly object: Small }[] = [];
    let alive: string | null = null;
    for (const [index, step] of script.entries()) {
      if (step === "write") alive ??= `u${index}`;
      if (alive === null) continue;
      events.push({ isDeleted: step === "delete", object: at(index + 1, alive) });
      if (step === "delete") alive = null;
    }
    const seen = new SeenObjects<Small>();
    let told: string | null = null;
    const feed = ({ isDeleted, object }: typeof events[number]) => {
      for (const { type, object: { metadata: { uid } } } of isDeleted ? seen.remove(object) : seen.upsert(object)) {
        if (type === "upserted") told = uid;
        else if (told === uid) told = null;
        else assert.unreachable("a deletion of what was not there");
      }
    };
    // a shuffle with repetitions, then all of them once more so that none is missing
    if (events.length > 0) { for (const pick of picks) feed(events[pick % events.length]!); }
    for (const event of [...events].sort((a, b) => picks[0]! % 2 ? 1 : Number(a.isDeleted) - Number(b.isDeleted))) {
      feed(event);
    }
    assert.is(told, alive);
  }));
});

it.run();
