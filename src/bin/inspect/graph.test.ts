import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Engram, Story, Transport } from "../../contract/resources.ts";
import { dot, mermaid } from "./graph.ts";
import { reportOn } from "./report.ts";

const graphs = suite("graphs");

const transport: Transport = { kind: "Transport", metadata: { name: "t" }, spec: { provider: "p", driver: "d" } };
const engram: Engram = {
  kind: "Engram",
  metadata: { name: "e", namespace: "demo" },
  spec: { templateRef: { name: "e" }, mode: "deployment" },
};
const story: Story = {
  kind: "Story",
  metadata: { name: "s", namespace: "demo" },
  spec: {
    transports: [{ name: "t", transportRef: "t" }],
    steps: [
      { name: 'say "end"', ref: { name: "e" }, transport: "t" },
      { name: "b", ref: { name: "e" }, transport: "t", needs: ['say "end"'] },
      { name: "follower", ref: { name: "e" }, transport: "t" },
    ],
  },
};
const reports = [reportOn(story, [transport, engram])];

graphs("names cannot break out of their quotes", () => {
  assert.match(mermaid(reports), 'n0_0["say &quot;end&quot;"]');
  assert.match(dot(reports), 'n0_0 [label="say \\"end\\""];');
});

graphs("direct, hub and implicit edges look different", () => {
  const text = dot(reports);
  assert.match(text, 'n0_0 -> n0_1 [label="p2p: SingleDownstream", penwidth=3];');
  assert.match(text, 'n0_1 -> n0_2 [label="hub: ImplicitFollower", style=dashed];');
  assert.match(mermaid(reports), 'n0_1 -.->|"hub: ImplicitFollower"| n0_2');
});

graphs.run();
