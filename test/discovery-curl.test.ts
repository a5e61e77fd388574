// `buf curl` against the discovery service, with nothing but an address: it learns the schema by reflection.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "uvu";
import { within } from "./support/deadline.ts";
import { discoveryBed, step } from "./support/discovery-bed.ts";

const test = suite("discovery with buf curl");
const buf = join(fileURLToPath(new URL("..", import.meta.url)), "node_modules", ".bin", "buf");
const service = "/bobravoz.discovery.v1.DiscoveryService";

/** Standard output of a call; rejects with standard error where it fails. */
function curl(url: string, ...more: string[]): Promise<string> {
  const call = new Promise<string>((resolve, reject) => {
    execFile(buf, ["curl", "--http2-prior-knowledge", ...more, url], { timeout: 20_000 }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(err || error.message));
    });
  });
  return within(20_000, "buf curl", call);
}

const json = (text: string): Record<string, unknown> => JSON.parse(text);

test("buf curl lists services and methods", async () => {
  await using bed = await discoveryBed();
  const services = await curl(bed.server.url, "--list-services");
  assert.equal(services.trim().split("\n"), ["bobravoz.discovery.v1.DiscoveryService"]);
  const methods = await curl(bed.server.url, "--list-methods");
  for (const name of ["GetBinding", "WatchBindings", "ExplainTopology"]) assert.match(methods, name);
});

for (const protocol of ["grpc", "grpcweb", "connect"]) {
  test(`buf curl gets a binding and explains a Story by ${protocol}`, async () => {
    await using bed = await discoveryBed({ isFast: true });
    bed.put("voice-7", { vad: "TransportReady" });
    const call = (method: string, request: object) =>
      curl(`${bed.server.url}${service}/${method}`, "--protocol", protocol, "--data", JSON.stringify(request));
    const { binding } = json(await call("GetBinding", step("vad"))) as { binding: Record<string, unknown> };
    assert.is(binding["state"], "BINDING_STATE_READY");
    assert.is(binding["step"], "vad");
    const story = {
      apiVersion: "bubustack.io/v1alpha1",
      kind: "Story",
      metadata: { name: "voice", namespace: "demo" },
      spec: {
        pattern: "realtime",
        transports: [{ name: "main", transportRef: "speech" }],
        steps: [{ name: "a", ref: { name: "a" } }, { name: "b", ref: { name: "b" }, needs: ["a"] }],
      },
    };
    const { edges } = json(await call("ExplainTopology", { story })) as { edges: Record<string, unknown>[] };
    assert.is(edges[0]?.["published"], "EDGE_MODE_P2P");
    const watch = json(await call("WatchBindings", { subscribe: { selectors: [{ namespace: "demo" }] } }));
    assert.is(watch["snapshot"], true);
    assert.is((watch["bindings"] as unknown[]).length, 1);
    try {
      await call("GetBinding", step("nobody"));
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, /not_found.*no step \\?"nobody/s);
    }
  });
}

test.run();
