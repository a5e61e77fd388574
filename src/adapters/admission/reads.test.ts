import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isTransportError, TransportError } from "../../contract/errors.ts";
import type { JsonObject } from "../../contract/resources.ts";
import { clusterReads, managerImage, placementOf, type Requester } from "./reads.ts";

const it = suite("what the webhook reads");
const { signal } = new AbortController();

/** An API server that has these objects by path, and the paths that were asked for. */
function server(objects: Readonly<Record<string, JsonObject>>): Requester & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    request(method, path) {
      asked.push(`${method} ${path}`);
      const found = objects[path];
      return found === undefined
        ? Promise.reject(new TransportError("NotFound", `${path} does not exist`))
        : Promise.resolve(found);
    },
  };
}

it("objects are asked for one by one, where they are", async () => {
  const api = server({
    "/apis/bubustack.io/v1alpha1/namespaces/demo/engrams/mic": {
      apiVersion: "bubustack.io/v1alpha1",
      kind: "Engram",
      metadata: { name: "mic" },
      spec: { templateRef: { name: "any" } },
    },
  });
  const reads = clusterReads(api);
  assert.is((await reads.engram("demo", "mic", signal)).metadata.name, "mic");
  for (const missing of [reads.binding("demo", "b", signal), reads.transport("speech", signal)]) {
    assert.ok(isTransportError(await missing.catch((error: unknown) => error), "NotFound"));
  }
  assert.equal(api.asked, [
    "GET /apis/bubustack.io/v1alpha1/namespaces/demo/engrams/mic",
    "GET /apis/transport.bubustack.io/v1alpha1/namespaces/demo/transportbindings/b",
    "GET /apis/transport.bubustack.io/v1alpha1/transports/speech",
  ]);
});

it("names never lead out of their path", async () => {
  const api = server({});
  await clusterReads(api).transport("../../../api/v1/secrets", signal).catch(() => {});
  assert.equal(api.asked, ["GET /apis/transport.bubustack.io/v1alpha1/transports/..%2F..%2F..%2Fapi%2Fv1%2Fsecrets"]);
});

it("an object that cannot be used is BadManifest with the path of each fault", async () => {
  const api = server({
    "/apis/transport.bubustack.io/v1alpha1/transports/speech": {
      apiVersion: "transport.bubustack.io/v1alpha1",
      kind: "Transport",
      metadata: { name: "speech" },
      spec: { provider: 7 },
    },
  });
  const error = await clusterReads(api).transport("speech", signal).catch((error: unknown) => error);
  assert.ok(isTransportError(error, "BadManifest"));
  assert.match(
    error.message,
    "Transport speech cannot be used: spec.driver is missing; spec.provider must be a string",
  );
});

it("C-090 sidecars are used from Kubernetes 1.29 on", async () => {
  const rows = [["1", "28", "containers"], ["1", "29", "initContainers"], ["1", "29+", "initContainers"], [
    "1",
    "37",
    "initContainers",
  ]];
  for (const [major = "", minor = "", placement] of rows) {
    assert.is(await placementOf(server({ "/version": { major, minor } }), signal), placement);
  }
});

it("C-098 the operator's own image is that of its pod's container manager (O-22)", async () => {
  const pod = { spec: { containers: [{ name: "proxy", image: "proxy:1" }, { name: "manager", image: "bobravoz:7" }] } };
  const api = server({
    "/api/v1/namespaces/ours/pods/webhook-1": pod,
    "/api/v1/namespaces/ours/pods/other": { spec: {} },
  });
  assert.is(await managerImage(api, { namespace: "ours", name: "webhook-1" }, signal), "bobravoz:7");
  assert.is(await managerImage(api, { namespace: "ours", name: "other" }, signal), null);
});

it.run();
