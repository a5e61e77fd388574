import * as assert from "uvu/assert";
import { suite } from "uvu";
import fc from "fast-check";
import { isTransportError } from "../contract/errors.ts";
import type { BindingSelector } from "./selectors.ts";
import { selects } from "./selectors.ts";
import { type BindingSource, type Delta, Subscription, type Versioned, watchLimits } from "./subscriptions.ts";

const test = suite("subscriptions");
const everything: BindingSelector[] = [{ namespace: "", storyRun: "", step: "" }];

class Bindings implements BindingSource<Versioned> {
  readonly all = new Map<string, Versioned>();
  put(step: string, version: string, bytes = 100): string {
    const key = `demo/run-${step}`;
    this.all.set(key, { key, version, bytes, namespace: "demo", storyRun: "run", step });
    return key;
  }
  get(key: string) {
    return this.all.get(key);
  }
  select(selectors: readonly BindingSelector[]) {
    return [...this.all.values()].filter((binding) => selects(selectors, binding));
  }
}

function told(delta: Delta<Versioned> | null) {
  return delta && {
    snapshot: delta.snapshot,
    bindings: delta.bindings.map(({ key, version }) => `${key}@${version}`),
    removed: delta.removed,
  };
}

test("a snapshot comes first, even if it is empty", () => {
  const subscription = new Subscription(new Bindings());
  assert.is(subscription.next(), null);
  subscription.subscribe(everything, {});
  assert.equal(told(subscription.next()), { snapshot: true, bindings: [], removed: [] });
  assert.is(subscription.next(), null);
});

test("a client that holds everything gets no binding, and what it holds counts as accepted", () => {
  const bindings = new Bindings();
  bindings.put("a", "1");
  bindings.put("b", "2");
  const subscription = new Subscription(bindings);
  const verdicts = subscription.subscribe(everything, { "demo/run-a": "1", "demo/run-b": "1", "demo/run-c": "7" });
  assert.equal(verdicts, [{ key: "demo/run-a", version: "1", rejection: null }]);
  const delta = subscription.next()!;
  assert.equal(told(delta), { snapshot: true, bindings: ["demo/run-b@2"], removed: ["demo/run-c"] });
});

test("one response is outstanding, and of later changes only the newest version follows", () => {
  const bindings = new Bindings();
  const key = bindings.put("a", "1");
  const subscription = new Subscription(bindings);
  subscription.subscribe(everything, {});
  const first = subscription.next()!;
  for (const version of ["2", "3"]) {
    bindings.put("a", version);
    subscription.touch(key);
    assert.is(subscription.next(), null);
  }
  assert.equal(subscription.ack("17"), []);
  assert.is(subscription.next(), null);
  assert.equal(subscription.ack(first.nonce), [{ key, version: "1", rejection: null }]);
  assert.equal(told(subscription.next()), { snapshot: false, bindings: ["demo/run-a@3"], removed: [] });
});

test("a rejected version is not sent again until it changes, and the others count as accepted", () => {
  const bindings = new Bindings();
  const a = bindings.put("a", "1");
  const b = bindings.put("b", "1");
  const subscription = new Subscription(bindings);
  subscription.subscribe(everything, {});
  const first = subscription.next()!;
  const rejection = { binding: a, version: "", reason: "DriverUnknown", message: "no such driver" };
  assert.equal(subscription.nack(first.nonce, [rejection]), [
    { key: a, version: "1", rejection: { ...rejection, version: "1" } },
    { key: b, version: "1", rejection: null },
  ]);
  subscription.touch(a);
  assert.is(subscription.next(), null);
  subscription.subscribe(everything, { [b]: "1" });
  assert.equal(told(subscription.next()), { snapshot: true, bindings: [], removed: [] });
  subscription.ack("2");
  bindings.put("a", "2");
  subscription.touch(a);
  assert.equal(told(subscription.next()), { snapshot: false, bindings: ["demo/run-a@2"], removed: [] });
});

test("a rejection of what was not sent is refused and leaves the response outstanding", () => {
  const bindings = new Bindings();
  const key = bindings.put("a", "1");
  const subscription = new Subscription(bindings);
  subscription.subscribe(everything, {});
  const { nonce } = subscription.next()!;
  for (const [binding, version] of [["demo/run-b", ""], [key, "2"]] as const) {
    const refuse = () => subscription.nack(nonce, [{ binding, version, reason: "x", message: "" }]);
    assert.throws(refuse, (error: unknown) => isTransportError(error, "InvalidRequest"));
  }
  assert.ok(subscription.waiting);
});

test("a new Subscribe removes what it leaves out and sends again what the client does not tell", () => {
  const bindings = new Bindings();
  const a = bindings.put("a", "1");
  const b = bindings.put("b", "1");
  const subscription = new Subscription(bindings);
  subscription.subscribe(everything, {});
  const first = subscription.next()!;
  subscription.subscribe([{ namespace: "demo", storyRun: "run", step: "b" }], {});
  assert.equal(subscription.ack(first.nonce), []);
  assert.equal(told(subscription.next()), { snapshot: true, bindings: [`${b}@1`], removed: [a] });
});

test("a large snapshot comes in bounded responses", () => {
  const bindings = new Bindings();
  for (let n = 0; n < 25; n++) bindings.put(`s${n}`, "1", watchLimits.responseBytes / 10);
  const subscription = new Subscription(bindings);
  subscription.subscribe(everything, {});
  const sizes: number[] = [];
  for (let delta = subscription.next(); delta !== null; delta = subscription.next()) {
    sizes.push(delta.bindings.length);
    assert.is(delta.snapshot, sizes.length === 1);
    subscription.ack(delta.nonce);
  }
  assert.equal(sizes, [10, 10, 5]);
});

test("more than 100 selectors are refused, and none select everything", () => {
  const bindings = new Bindings();
  bindings.put("a", "1");
  const subscription = new Subscription(bindings);
  const many = Array.from({ length: 101 }, () => everything[0]!);
  assert.throws(() => subscription.subscribe(many, {}), (error: unknown) => isTransportError(error, "InvalidRequest"));
  subscription.subscribe([], {});
  assert.is(subscription.next()!.bindings.length, 1);
});

test("a source that tells of changes while it is asked does not break the snapshot", () => {
  const bindings = new Bindings();
  bindings.put("a", "1");
  bindings.put("b", "1");
  const sent: unknown[] = [];
  const source: BindingSource<Versioned> = {
    get: (key) => bindings.get(key),
    *select(selectors) {
      for (const binding of bindings.select(selectors)) {
        subscription.touch(binding.key);
        sent.push(subscription.next());
        yield binding;
      }
    },
  };
  const subscription = new Subscription(source);
  subscription.subscribe(everything, {});
  assert.equal(sent, [null, null]);
  assert.equal(told(subscription.next()), { snapshot: true, bindings: ["demo/run-a@1", "demo/run-b@1"], removed: [] });
});

// A client as the protocol describes it, which also checks what it is sent.
class Client {
  readonly holds = new Map<string, string>();
  readonly rejected = new Map<string, string>();
  inbox: Delta<Versioned>[] = [];

  take(delta: Delta<Versioned>, reject: (key: string, version: string) => boolean) {
    const rejections = [];
    for (const { key, version } of delta.bindings) {
      assert.is.not(this.holds.get(key), version, `acked ${key}@${version} was sent again`);
      assert.is.not(this.rejected.get(key), version, `rejected ${key}@${version} was sent again`);
      if (reject(key, version)) {
        this.rejected.set(key, version);
        rejections.push({ binding: key, version, reason: "No", message: "" });
      } else {
        this.holds.set(key, version);
        this.rejected.delete(key);
      }
    }
    for (const key of delta.removed) {
      this.holds.delete(key);
      this.rejected.delete(key);
    }
    return rejections;
  }
}

const steps = ["a", "b", "c", "d"];
const action = fc.oneof(
  fc.record({
    do: fc.constant("put" as const),
    step: fc.constantFrom(...steps),
    version: fc.constantFrom("1", "2", "3"),
  }),
  fc.record({ do: fc.constant("drop" as const), step: fc.constantFrom(...steps) }),
  fc.record({ do: fc.constant("send" as const) }),
  fc.record({ do: fc.constant("answer" as const), reject: fc.subarray(steps) }),
  fc.record({ do: fc.constant("subscribe" as const), steps: fc.subarray(steps, { minLength: 1 }) }),
  fc.record({ do: fc.constant("stale" as const) }),
);

test("after any sequence of changes and answers the client holds what is selected", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const bindings = new Bindings();
      const subscription = new Subscription(bindings);
      const client = new Client();
      let selected = steps;
      subscription.subscribe(selected.map((step) => ({ namespace: "demo", storyRun: "run", step })), {});
      const send = () => {
        const delta = subscription.next();
        if (delta !== null) client.inbox.push(delta);
      };
      const answer = (reject: readonly string[]) => {
        const delta = client.inbox.shift();
        if (delta === undefined) return;
        const rejections = client.take(delta, (key) => reject.some((step) => key.endsWith(`-${step}`)));
        subscription.nack(delta.nonce, rejections);
      };
      for (const each of actions) {
        if (each.do === "put") subscription.touch(bindings.put(each.step, each.version));
        else if (each.do === "drop") {
          bindings.all.delete(`demo/run-${each.step}`);
          subscription.touch(`demo/run-${each.step}`);
        } else if (each.do === "send") send();
        else if (each.do === "answer") answer(each.reject);
        else if (each.do === "stale") assert.equal(subscription.ack("0"), []);
        else {
          // The client takes what is on its way before it says what it holds.
          while (client.inbox.length > 0) answer([]);
          selected = each.steps;
          const selectors = selected.map((step) => ({ namespace: "demo", storyRun: "run", step }));
          subscription.subscribe(selectors, Object.fromEntries(client.holds));
        }
        assert.ok(client.inbox.length <= 1, "more than one response is outstanding");
      }
      for (let turn = 0; turn < 5; turn++) {
        send();
        answer([]);
      }
      assert.is(subscription.next(), null);
      for (const step of steps) {
        const key = `demo/run-${step}`;
        const now = selected.includes(step) ? bindings.get(key)?.version : undefined;
        // What the client rejected and did not get in another version it does not have to hold.
        if (now !== undefined && client.rejected.get(key) === now) assert.is.not(client.holds.get(key), now);
        else assert.is(client.holds.get(key), now, key);
      }
    }),
    { numRuns: 500 },
  );
});

test.run();
