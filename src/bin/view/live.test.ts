import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import type { EdgeCount } from "../../contract/traffic.ts";
import type { EdgeDecision, StepDecision, Topology } from "../../topology/decide.ts";
import { startView, type ViewOptions } from "./live.ts";

const view = suite("live view");

function edge(from: string, to: string, effective: "hub" | "p2p" = "hub"): EdgeDecision {
  return {
    from,
    to,
    kind: "explicit",
    published: "p2p",
    effective,
    reason: effective === "p2p" ? "SingleDownstream" : "PeerListenerMissing",
    rule: "control-plane K-17",
    cost: { networkHops: effective === "p2p" ? 1 : 2, decodes: "nothing" },
  };
}

function topology(edges: readonly EdgeDecision[]): Topology {
  // The view reads ids, edges, warnings and faults only.
  const steps = ["a", "b"].map((step) => ({ step, id: step }) as StepDecision);
  return { steps, edges, warnings: [], faults: [], transports: new Map() } as unknown as Topology;
}

function counts(received: number, delivered: number, dropped = 0): EdgeCount {
  const bytes = { receivedBytes: received * 100, deliveredBytes: delivered * 100 };
  const buffered = received - delivered - dropped;
  return {
    from: "a",
    to: "b",
    mode: "hub",
    received,
    delivered,
    buffered,
    ...bytes,
    dropped: new Map([["expired", dropped]]),
  };
}

function start(options: Partial<ViewOptions> = {}) {
  const clock = new FakeClock();
  const shown = { text: "", edges: [edge("a", "b")], counts: [counts(0, 0)] };
  const started = startView({
    decisions: () => [{ namespace: "demo", storyRun: "run", topology: topology(shown.edges) }],
    edges: () => shown.counts,
    out: (text) => shown.text += text,
    isTerminal: false,
    clock,
    ...options,
  });
  return { clock, shown, view: started };
}

view("the topology comes first, with a reason for each edge", () => {
  const { shown } = start();
  assert.match(
    shown.text,
    /^demo\/run\n {2}a ─> b {2}p2p, now hub {2}PeerListenerMissing {2}2 hops, decodes nothing {2}the receiver/,
  );
});

view("a decision that changes is printed, one that stays is not printed again", () => {
  const { clock, shown } = start();
  shown.text = "";
  clock.step(500);
  assert.is(shown.text, "");
  shown.edges = [edge("a", "b", "p2p")];
  clock.step(500);
  assert.match(shown.text, /^ {2}a ─> b {2}p2p {2}SingleDownstream/);
});

view("elsewhere than on a terminal a plain line for each edge comes every two seconds", () => {
  const { clock, shown } = start();
  shown.text = "";
  shown.counts = [counts(100, 90)];
  clock.step(1500);
  assert.is(shown.text, "");
  clock.step(500);
  const expected =
    "a ─> b: p2p, now hub (PeerListenerMissing), 50 packets/s, 4.9 KiB/s, 100 received, 10 buffered, 0 dropped\n";
  assert.is(shown.text, expected);
});

view("on a terminal the table stays below the lines that are printed", () => {
  const { clock, shown, view } = start({ isTerminal: true, isColored: false });
  clock.step(500);
  shown.text = "";
  view.print("mic | hello");
  const up = shown.text.indexOf("\x1b[2A\x1b[J");
  assert.is(up, 0);
  assert.ok(shown.text.indexOf("mic | hello\n") < shown.text.indexOf("edge  "));
});

view("a line that is wider than the terminal is cut", () => {
  const { clock, shown } = start({ isTerminal: true, isColored: true, columns: 20 });
  shown.text = "";
  clock.step(500);
  // deno-lint-ignore no-control-regex -- colours are control sequences
  for (const line of shown.text.replace(/\x1b\[\d*[A-Zm]/g, "").split("\n")) assert.ok(line.length <= 20, line);
});

view("the summary of a run in which all is accounted for is good", () => {
  const { shown, view } = start();
  shown.counts = [counts(10, 10)];
  assert.equal(view.stop(), { isGood: true, faults: [], lost: { dropped: 0, buffered: 0 } });
  assert.match(shown.text, /a ─> b {2}hub {9}10 {9}10 {9}0 {8}0 {2}1000 B\n/);
  assert.match(shown.text, "every packet is accounted for");
});

view("what is dropped, buffered or missing is named, and the verdict is not good", () => {
  const dropped = start();
  dropped.shown.counts = [counts(10, 6, 3)];
  assert.equal(dropped.view.stop().faults, [
    "a ─> b of demo/run: 3 packets dropped (expired 3)",
    "a ─> b of demo/run: 1 packet still buffered",
  ]);
  const missing = start();
  missing.shown.counts = [{ ...counts(10, 10), delivered: 8 }];
  assert.equal(missing.view.stop().faults, ["a ─> b of demo/run: 2 of 10 packets are not accounted for"]);
  assert.equal(start().view.stop().faults, ["no packet was seen on any edge"]);
});

view("packets that went both ways are added", () => {
  const { shown, view } = start();
  shown.counts = [counts(4, 4), { ...counts(6, 6), mode: "p2p" }];
  assert.ok(view.stop().isGood);
  assert.match(shown.text, /a ─> b {2}hub, p2p {8}10 {9}10/);
});

view.run();
