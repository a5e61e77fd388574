// Recorded admission reviews (vectors/cluster, scenario 18: bobrapet 0.1.12 and the webhook of bobravoz-grpc 0.3 on
// Kubernetes 1.37.2): what the existing webhook answered, and what ours answers to the same pods.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JsonObject } from "../src/contract/resources.ts";
import { admit, connectorOf, Objects, patched } from "./support/inject.ts";
import { root } from "./support/sources.ts";

interface Review {
  readonly request: { readonly operation: string; readonly namespace: string; readonly object: JsonObject };
  readonly response: { readonly allowed: true; readonly patch: readonly { path: string; value: never }[] };
}

const file = join(root, "test/vectors/cluster/18-admission-reviews.json");
const reviews = JSON.parse(readFileSync(file, "utf8")) as readonly Review[];
const options = {
  image: "ghcr.io/bubustack/bobravoz-grpc-connector:0.3.5",
  env: { BUBU_HUB_SERVICE_NAMESPACE: "bobravoz-system" },
};

/** The pod after the existing webhook's patch, whose container goes to the end of the list. */
function recorded({ request, response }: Review): JsonObject {
  const patch = response.patch.map(({ path, value }) => ({
    op: "add" as const,
    path: path.replace(/^(\/spec\/containers)\/\d+$/, "$1/-"),
    value,
  }));
  return patched(request.object, { allowed: true, patch, warnings: [] });
}

const it = suite("recorded admission reviews");

it("C-090 the connector of every recorded review is the existing webhook's, but for the documented differences", async () => {
  assert.is(reviews.length, 3);
  for (const review of reviews) {
    const { request } = review;
    const theirs = connectorOf(recorded(review));
    const admission = await admit(request.object, new Objects(), options, request);
    const after = patched(request.object, admission);
    const { env, restartPolicy, ...ours } = connectorOf(after);
    // a sidecar that starts before the engram and outlives it
    assert.is(restartPolicy, "Always");
    // ours find discovery and the hub by two more variables
    const [discovery, hub, ...more] = env.slice(theirs.env.length);
    assert.equal([discovery?.["name"], hub, more.length], [
      "BOBRAVOZ_DISCOVERY_ENDPOINT",
      { name: "BOBRAVOZ_HUB_ENDPOINT", value: "bobravoz-grpc-hub.bobravoz-system.svc.cluster.local:9000" },
      0,
    ]);
    assert.equal({ ...ours, env: env.slice(0, theirs.env.length) }, theirs);
    // and nothing else of the pod differs
    const without = (pod: JsonObject) => {
      const { initContainers: _, containers, ...spec } = pod["spec"] as Record<string, JsonObject[]>;
      return {
        ...pod,
        spec: { ...spec, containers: containers?.filter(({ name }) => name !== "transport-connector") },
      };
    };
    assert.equal(without(after), without(recorded(review)));
  }
});

it("C-090 without sidecars the whole pod is the existing webhook's, but for the two variables", async () => {
  for (const review of reviews) {
    const { request } = review;
    const admission = await admit(request.object, new Objects(), { ...options, placement: "containers" }, request);
    const after = patched(request.object, admission);
    const { env, ...ours } = connectorOf(after);
    assert.equal({ ...ours, env: env.slice(0, -2) }, connectorOf(recorded(review)));
  }
});

it.run();
