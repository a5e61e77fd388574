import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Step } from "../contract/resources.ts";
import { analyze } from "./analysis.ts";
import type { Mode } from "./analysis.ts";
import { buildGraph } from "./graph.ts";

const test = suite("published analysis");

/** `"b![a,c]"`: step b needs a and c and has an if. */
function steps(...notation: readonly string[]): readonly Step[] {
  return notation.map((text) => {
    const [, name, hub, needs] = /^([^![]+)(!?)(?:\[(.*)\])?$/.exec(text)!;
    return {
      name: name!,
      ref: { name: `engram-${name}` },
      ...(hub ? { if: "{{ packet.ok }}" } : {}),
      ...(needs === undefined ? {} : { needs: needs.split(",") }),
    };
  });
}

function modes(list: readonly Step[]): { p2p: readonly string[]; peerUp: readonly string[] } {
  const all = [...analyze(buildGraph(list)).values()];
  return {
    p2p: all.filter((step) => step.mode === "p2p").map((step) => step.name),
    peerUp: all.filter((step) => step.peerUpstream).map((step) => step.name),
  };
}

// control-plane 3.4: steps, those that are p2p, those with a peer upstream. 21 to 23 have overrides: decide.test.ts.
const examples: readonly (readonly [string, string, string])[] = [
  ["a", "", ""],
  ["a b[a]", "a", "b"],
  ["a b[a] c[b] d[c]", "a b c", "b c d"],
  ["a b![a] c[b]", "", ""],
  ["a b[a] c![b] d[c] e[d]", "a", "b"],
  ["a b[a] c[a] d[b]", "", ""],
  ["a b c[a,b] d[c]", "a b c", "c d"],
  ["a b! c[a,b] d[c]", "a", "c"],
  ["a b[a] c[a] d[b,c] e[d]", "", ""],
  ["a! b[a] c[b]", "", ""],
  ["a b[a] c[b,a]", "", ""],
  ["a b[a] x y![x]", "a", "b"],
  ["a b[a,ghost] c[b]", "a", "b"],
  ["a b[a] c d[b,c]", "a b c", "b d"],
  ["a b[a] c[b] d[c] e[c]", "a b", "b c"],
  ["c[b] b[a] a", "b a", "c b"],
  ["a b[a,a] c[b]", "a b", "b c"],
  [
    "ingress buffer[ingress] transcribe[buffer] respond![transcribe] synthesize![respond] playback[synthesize]",
    "ingress buffer",
    "buffer transcribe",
  ],
  ["a p[a] b[p]", "a p", "p b"],
  ["a p![a] b[p]", "", ""],
];

examples.forEach(([notation, p2p, peerUp], index) => {
  test(`C-022 worked example ${index + 1} holds: ${notation}`, () => {
    const words = (text: string) => text.split(" ").filter((word) => word !== "");
    assert.equal(modes(steps(...words(notation))), { p2p: words(p2p), peerUp: words(peerUp) });
  });
});

test('C-020 runtime {} needs the hub, if "" does not, if " " does', () => {
  const needsHub = (extra: Partial<Step>) => analyze(buildGraph([{ name: "a", ...extra }])).get("a")!.needsHub;
  assert.ok(needsHub({ runtime: {} }));
  assert.not(needsHub({ runtime: null }));
  assert.not(needsHub({ if: "" }));
  assert.ok(needsHub({ if: " " }));
});

test("C-021 with that mentions another step makes no edge and needs no hub", () => {
  const [a, b, c] = steps("a", "b[a]", "c[b]");
  assert.equal(modes([a!, { ...b!, with: { text: "{{ steps.c.text }}" } }, c!]).p2p, ["a", "b"]);
});

test("C-023 the last step of any Story is hub", () => {
  fc.assert(fc.property(stories(), (list) => {
    const all = [...analyze(buildGraph(list)).values()];
    assert.ok(all.filter((step) => step.downstreams.length === 0).every((step) => step.mode === "hub"));
  }));
});

test("C-025 a circle names its steps, and what is on or behind it is hub", () => {
  const list = steps("s", "a[s,c]", "b[a]", "c[b]", "x", "y[x]");
  const graph = buildGraph(list);
  assert.equal(graph.cycle, ["a", "b", "c"]);
  assert.equal([...graph.blocked].sort(), ["a", "b", "c"]);
  assert.equal(modes(list).p2p, ["s", "x"]);
});

test("C-025 a step behind a circle is hub and no part of it", () => {
  const graph = buildGraph(steps("a[b]", "b[a]", "c[b]", "d[c]"));
  assert.equal(graph.cycle, ["a", "b"]);
  assert.equal([...graph.blocked].sort(), ["a", "b", "c", "d"]);
});

test("C-025 a chain and a circle of 10,000 steps are decided in time linear in edges", () => {
  const chain = Array.from(
    { length: 10_000 },
    (_, i): Step => ({ name: `s${i}`, ...(i === 0 ? {} : { needs: [`s${i - 1}`] }) }),
  );
  const started = performance.now();
  assert.is([...analyze(buildGraph(chain)).values()].filter((step) => step.mode === "p2p").length, 9_999);
  assert.is(modes(chain.toReversed()).p2p.length, 9_999);
  const circle = [{ name: "s0", needs: ["s9999"] }, ...chain.slice(1)];
  assert.is(buildGraph(circle).cycle.length, 10_000);
  assert.ok(performance.now() - started < 2_000);
});

test("C-030 the downstream list keeps declaration order and has no duplicates", () => {
  const list = steps("a", "z[a,a]", "b[a]");
  assert.equal(analyze(buildGraph(list)).get("a")!.downstreams, ["z", "b"]);
});

test("published decisions equal a naive recursive reference on acyclic graphs", () => {
  fc.assert(fc.property(stories(), (list) => {
    const analysis = analyze(buildGraph(list));
    for (const { name } of list) assert.is(analysis.get(name)!.mode, naiveMode(list, name), name);
  }));
});

test("order is list order, and a step that stands before what it needs comes right after it", () => {
  assert.equal(buildGraph(steps("c[b]", "b[a]", "a")).order, ["a", "b", "c"]);
  assert.equal(buildGraph(steps("late[early]", "a", "w", "early[a]", "k")).order, ["a", "w", "early", "late", "k"]);
  fc.assert(fc.property(stories(), (list) => {
    assert.equal(buildGraph(list).order, list.map((step) => step.name));
    const { order } = buildGraph(list.toReversed());
    for (const { name, needs } of list) {
      for (const need of needs ?? []) assert.ok(order.indexOf(need) < order.indexOf(name));
    }
  }));
});

/** Stories whose steps need earlier ones only. */
function stories(): fc.Arbitrary<readonly Step[]> {
  const step = fc.record({ hub: fc.nat(5), needs: fc.array(fc.nat(1_000), { maxLength: 3 }) });
  return fc.array(step, { minLength: 1, maxLength: 12 }).map((list) =>
    list.map(({ hub, needs }, i): Step => ({
      name: `s${i}`,
      ref: { name: "e" },
      ...(hub === 0 ? { runtime: { a: 1 } } : {}),
      needs: i === 0 ? [] : [...new Set(needs.map((need) => `s${need % i}`))],
    }))
  );
}

/** control-plane T-04 as written, recursing upstream. */
function naiveMode(list: readonly Step[], name: string): Mode {
  const step = list.find((s) => s.name === name)!;
  const downstream = list.filter((s) => s.needs?.includes(name));
  const needsHub = (s: Step) => s.runtime !== undefined || !!s.if;
  if (needsHub(step) || downstream.length !== 1 || needsHub(downstream[0]!)) return "hub";
  return (step.needs ?? []).every((need) => naiveMode(list, need) === "p2p") ? "p2p" : "hub";
}

test.run();
