import { suite } from "uvu";
import * as assert from "uvu/assert";
import { engram, transport } from "../../test/support/objects.ts";
import { admit, connectorOf, envelope, Objects, patched, pod, valuesOf } from "../../test/support/inject.ts";
import { TransportError } from "../contract/errors.ts";
import type { JsonObject } from "../contract/resources.ts";
import { isJsonObject } from "../contract/settings-schema.ts";

const inject = suite("inject");

const key = "transport.bubustack.io/binding";
const bound = pod({ annotations: { [key]: envelope() } });

/** What the status of the step's binding says. */
function withStatus(status: object) {
  return new Objects({ "binding demo/voice-1-capture-transport": { kind: "TransportBinding", status } });
}

inject(
  "C-090 a labelled pod with a binding gets one connector before its engram, and the same pod again nothing",
  async () => {
    const first = await admit(bound);
    const after = patched(bound, first);
    const { initContainers, containers } = after["spec"] as { initContainers: unknown[]; containers: unknown[] };
    assert.is(initContainers.length, 1);
    assert.is(containers.length, 1);
    const { env, ...container } = connectorOf(after);
    assert.equal(container, {
      name: "transport-connector",
      image: "registry.example/connector:1",
      imagePullPolicy: "IfNotPresent",
      command: ["/connector"],
      resources: {},
      restartPolicy: "Always",
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    });
    assert.equal(env.map(({ name, value }) => [name, value]), [
      ["BUBU_EXECUTION_MODE", "streaming"],
      ["BUBU_TRANSPORT_BINDING", envelope()],
      ["BUBU_ENGRAM_NAME", "microphone"],
      ["BUBU_STORY_NAME", "voice"],
      ["BUBU_STEP_NAME", "capture"],
      ["BUBU_STORYRUN_ID", "voice-1"],
      ["BUBU_HUB_ENDPOINT", "bobravoz-grpc-hub.bobrapet-system.svc.cluster.local:9000"],
      ["BUBU_POD_NAMESPACE", undefined],
      ["BUBU_GRPC_PORT", "50051"],
      ["BUBU_CONNECTOR_GENERATION", "1"],
      ["BUBU_TRANSPORT_DRIVER", "bobravoz-grpc"],
      ["BUBU_TRANSPORT_ENDPOINT", "127.0.0.1:50051"],
      ["BUBU_TRANSPORT_BINARY_TYPES", "application/json"],
      ["BUBU_TRANSPORT_SECURITY_MODE", "tls"],
      ["BOBRAVOZ_DISCOVERY_ENDPOINT", "bobravoz-grpc-discovery.bobrapet-system.svc.cluster.local:9100"],
      ["BOBRAVOZ_HUB_ENDPOINT", "bobravoz-grpc-hub.bobrapet-system.svc.cluster.local:9000"],
    ]);
    assert.equal(env.find(({ name }) => name === "BUBU_POD_NAMESPACE")?.["valueFrom"], {
      fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" },
    });
    const { labels, annotations } = after["metadata"] as Record<string, Record<string, string>>;
    assert.is(labels?.["transport.bobravoz.bubustack.io/connector"], "true");
    assert.is(annotations?.["transport.bobravoz.bubustack.io/connector-injected"], "true");
    assert.equal(await admit(after), { allowed: true, patch: [], warnings: [] });
  },
);

inject(
  "C-090 an API server without sidecars gets it after the engram, and a pod's own init containers stay first",
  async () => {
    const old = patched(bound, await admit(bound, new Objects(), { placement: "containers" }));
    const { containers } = old["spec"] as { containers: { name: string }[] };
    assert.equal(containers.map(({ name }) => name), ["engram", "transport-connector"]);
    assert.is(connectorOf(old)["restartPolicy"], undefined);
    const prepared = pod({
      annotations: { [key]: envelope() },
      spec: { initContainers: [{ name: "prepare" }], containers: [{ name: "engram" }] },
    });
    const { initContainers } = patched(prepared, await admit(prepared))["spec"] as {
      initContainers: { name: string }[];
    };
    assert.equal(initContainers.map(({ name }) => name), ["prepare", "transport-connector"]);
  },
);

inject("C-091 pods that are not ours are allowed unchanged, and nothing is read for them", async () => {
  const objects = new Objects();
  const unchanged = { allowed: true, patch: [], warnings: [] };
  const stranger = { metadata: { name: "nginx" }, spec: { containers: [{ name: "nginx" }] } };
  assert.equal(await admit(stranger, objects), unchanged);
  assert.equal(await admit({}, objects), unchanged);
  assert.equal(await admit(pod({ labels: { "bubustack.io/engram": "" } }), objects), unchanged);
  assert.equal(await admit(bound, objects, { image: "" }), unchanged);
  assert.equal(await admit(bound, objects, {}, { operation: "UPDATE" }), unchanged);
  assert.equal(objects.read, []);
});

inject("C-091 an engram without a binding anywhere is allowed unchanged with a message", async () => {
  const objects = new Objects({ "engram demo/microphone": engram("microphone") });
  assert.equal(await admit(pod(), objects), {
    allowed: true,
    patch: [],
    warnings: [],
    message: "engram not bound to transport",
  });
});

inject("a pod whose Engram cannot be read is denied only where the Engram is needed (A-06, A-13)", async () => {
  const objects = new Objects({
    "engram demo/microphone": new TransportError("Unavailable", "the API server is away"),
  });
  assert.equal(await admit(pod(), objects), {
    allowed: false,
    code: 400,
    message: "Engram demo/microphone cannot be read: the API server is away",
  });
  assert.is((await admit(bound, new Objects())).allowed, true);
});

inject("C-092 a binding that does not decode is denied with 400 and the annotation's name", async () => {
  const version = envelope().replace('"protocolVersion":"1.0.0"', '"protocolVersion":"2.0.0"');
  for (
    const value of ["voice-1-capture-transport", "{", '{"name":"x"}', '{"name":"x","binding":{"unknown":1}}', version]
  ) {
    const admission = await admit(pod({ annotations: { [key]: value } }));
    assert.is(admission.allowed, false, value);
    if (admission.allowed) continue;
    assert.is(admission.code, 400);
    assert.match(admission.message, `annotation ${key} of the pod: `);
  }
});

inject("an Engram's annotation may hold the envelope, a name, or a name with the pod's namespace (A-09)", async () => {
  const binding = {
    kind: "TransportBinding",
    metadata: { name: "b", namespace: "demo" },
    spec: { transportRef: "speech", driver: "bobravoz-grpc" },
  };
  const identity = { "bubustack.io/storyrun": "voice-9", "bubustack.io/step": "listen" };
  const ofEngram = (value: string) =>
    admit(
      pod(),
      new Objects({
        "engram demo/microphone": engram("microphone", { annotations: { [key]: value, ...identity } }),
        "binding demo/b": binding,
      }),
    );
  for (
    const value of [
      "b",
      "demo/b",
      '{"name":"b","namespace":"demo","binding":{"transportRef":"speech","driver":"bobravoz-grpc","protocolVersion":"1.0.0"}}',
    ]
  ) {
    const after = patched(pod(), await ofEngram(value));
    const env = valuesOf(connectorOf(after));
    assert.match(
      String(env["BUBU_TRANSPORT_BINDING"]),
      '{"name":"b","namespace":"demo","binding":{"transportRef":"speech"',
    );
    assert.is(env["BUBU_STORYRUN_ID"], "voice-9");
    assert.is(env["BUBU_STEP_NAME"], "listen");
    const { annotations } = after["metadata"] as Record<string, Record<string, string>>;
    assert.is(annotations?.[key], env["BUBU_TRANSPORT_BINDING"]);
  }
  for (
    const [value, why] of [["other/b", "another namespace"], ["c", "does not exist"], ["demo/b/c", "names no binding"]]
  ) {
    const admission = await ofEngram(value!);
    assert.ok(!admission.allowed && admission.code === 400);
    assert.match(admission.message, `annotation ${key} of Engram demo/microphone: `);
    assert.match(admission.message, why!);
  }
});

inject("C-093 the security mode ends as tls whatever the overrides say, and ours are out of their reach", async () => {
  const env = {
    BUBU_TRANSPORT_SECURITY_MODE: "plaintext",
    BUBU_DEBUG: "true",
    BOBRAVOZ_HUB_ENDPOINT: "evil:1",
    PATH: "/x",
  };
  const object = pod({ annotations: { [key]: envelope({ env }) } });
  const values = valuesOf(connectorOf(patched(object, await admit(object))));
  assert.is(values["BUBU_TRANSPORT_SECURITY_MODE"], "tls");
  assert.is(values["BUBU_DEBUG"], "true");
  assert.is(values["PATH"], undefined);
  assert.is(values["BOBRAVOZ_HUB_ENDPOINT"], "bobravoz-grpc-hub.bobrapet-system.svc.cluster.local:9000");
});

inject("C-094 mounts of certificates are copied, others are not", async () => {
  const certificates = { name: "my-engram-tls", mountPath: "/var/run/tls", readOnly: true };
  const object = pod({
    annotations: { [key]: envelope() },
    container: { volumeMounts: [{ name: "data", mountPath: "/data" }, certificates] },
  });
  assert.equal(connectorOf(patched(object, await admit(object)))["volumeMounts"], [certificates]);
});

inject("C-095 the security context is the engram's, restricted where it says nothing", async () => {
  const of = async (securityContext: JsonObject | null) => {
    const container: JsonObject = securityContext === null ? {} : { securityContext };
    const object = pod({ annotations: { [key]: envelope() }, container });
    return connectorOf(patched(object, await admit(object)))["securityContext"];
  };
  const restricted = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
  assert.equal(await of(null), restricted);
  const whole = {
    runAsNonRoot: true,
    readOnlyRootFilesystem: true,
    seccompProfile: { type: "RuntimeDefault" },
    ...restricted,
  };
  assert.equal(await of(whole), whole);
  assert.equal(await of({ capabilities: { drop: ["NET_RAW"], add: ["NET_BIND_SERVICE"] } }), {
    allowPrivilegeEscalation: false,
    capabilities: { add: ["NET_BIND_SERVICE"], drop: ["NET_RAW", "ALL"] },
  });
  assert.equal(
    await of({ privileged: true, allowPrivilegeEscalation: true, capabilities: { add: ["SYS_ADMIN"] } }),
    restricted,
  );
});

inject("C-096 a pod without a namespace of its own is handled by the request's", async () => {
  const object = pod({ annotations: { [key]: envelope({}, "") }, metadata: {} });
  const { namespace: _, ...metadata } = object["metadata"] as Record<string, never>;
  const objects = new Objects({
    "engram blue/microphone": engram("microphone", { annotations: { [key]: envelope({}, "") } }),
  });
  const nameless = { ...object, metadata: { ...metadata, annotations: {} } };
  const values = valuesOf(
    connectorOf(patched(nameless, await admit(nameless, objects, { env: {} }, { namespace: "blue" }))),
  );
  assert.is(values["BUBU_HUB_ENDPOINT"], "bobravoz-grpc-hub.blue.svc.cluster.local:9000");
  assert.equal(objects.read, ["engram blue/microphone", "binding blue/voice-1-capture-transport"]);
});

inject(
  "C-097 with p2p and one downstream the endpoint is the peer's, for long run names too, and the hub is told beside it",
  async () => {
    const run = `voice-${"x".repeat(70)}`;
    const peer = (downstream: string, mode = "p2p") => {
      const where = {
        "transport.bubustack.io/routing-mode": mode,
        "transport.bubustack.io/downstream-steps": downstream,
      };
      return pod({
        annotations: { [key]: envelope(), ...where, "bubustack.io/storyrun": run },
        labels: { "bubustack.io/storyrun": `${run.slice(0, 52)}-0123456789` },
      });
    };
    const endpoints = async (object: ReturnType<typeof pod>, status: object = {}, env = {}) => {
      const admission = await admit(object, withStatus(status), { env });
      const values = valuesOf(connectorOf(patched(object, admission)));
      return [values["BUBU_HUB_ENDPOINT"], values["BOBRAVOZ_HUB_ENDPOINT"]];
    };
    const hub = "bobravoz-grpc-hub.demo.svc.cluster.local:9000";
    const [address, own] = await endpoints(peer("transcribe"));
    assert.match(String(address), /^voice-x+-[0-9a-f]{12}\.demo\.svc\.cluster\.local:50051$/);
    assert.is(String(address).indexOf("."), 63);
    assert.is(own, hub);
    assert.equal(await endpoints(peer("transcribe,store")), [hub, hub]);
    assert.equal(await endpoints(peer("transcribe", "hub")), [hub, hub]);
    assert.equal(await endpoints(peer("transcribe"), { upstreamHost: "peer.demo:7000" }), ["peer.demo:7000", hub]);
    assert.match(
      String((await endpoints(peer("transcribe"), {}, { BUBU_HUB_CLUSTER_DOMAIN: "svc.corp.example" }))[0]),
      ".demo.svc.corp.example:50051",
    );
  },
);

inject(
  "C-097 C-102 the hub is the one that the binding says, an administrator's before it, its Service without either",
  async () => {
    const pinned = "bobravoz-grpc-hub-1.bobravoz-grpc-hub-pods.bobrapet-system.svc.cluster.local:9000";
    const rows: readonly [object, Record<string, string>, string][] = [
      [{ endpoint: pinned }, {}, pinned],
      [{ endpoint: pinned }, { BUBU_HUB_ENDPOINT: "hub.local:7000" }, "hub.local:7000"],
      [{}, { BUBU_HUB_ENDPOINT: "hub.local" }, "hub.local:9000"],
      [{}, {}, "bobravoz-grpc-hub.demo.svc.cluster.local:9000"],
      [
        {},
        { BUBU_HUB_SERVICE_NAMESPACE: "bobrapet-system" },
        "bobravoz-grpc-hub.bobrapet-system.svc.cluster.local:9000",
      ],
      [
        {},
        { BUBU_HUB_SERVICE_NAME: "hub", BUBU_HUB_CLUSTER_DOMAIN: "svc.corp.example", BUBU_HUB_PORT: "9443" },
        "hub.demo.svc.corp.example:9443",
      ],
      [{}, { BUBU_HUB_PORT: "abc" }, "bobravoz-grpc-hub.demo.svc.cluster.local:9000"],
    ];
    for (const [status, env, expected] of rows) {
      const values = valuesOf(connectorOf(patched(bound, await admit(bound, withStatus(status), { env }))));
      assert.equal([values["BUBU_HUB_ENDPOINT"], values["BOBRAVOZ_HUB_ENDPOINT"]], [expected, expected]);
    }
  },
);

inject("a binding that cannot be read costs a warning, and one of another namespace is not looked at", async () => {
  const away = new TransportError("Unavailable", "the API server is away");
  const admission = await admit(bound, new Objects({ "binding demo/voice-1-capture-transport": away }));
  assert.ok(admission.allowed);
  assert.match(admission.warnings.join(), "the API server is away");
  const objects = new Objects();
  await admit(pod({ annotations: { [key]: envelope({}, "secret") } }), objects);
  assert.equal(objects.read, []);
});

inject("C-098 the Transport's connector image goes first where that is configured, else the operator's", async () => {
  const speech = transport("speech");
  const objects = (image?: string) =>
    new Objects({ "transport speech": { ...speech, spec: { ...speech.spec, connectorImage: image } } });
  const imageOf = async (useTransportImage: boolean, reads: Objects) =>
    connectorOf(patched(bound, await admit(bound, reads, { useTransportImage })))["image"];
  assert.is(await imageOf(true, objects("driver.example/connector:7")), "driver.example/connector:7");
  assert.is(await imageOf(false, objects("driver.example/connector:7")), "registry.example/connector:1");
  assert.is(await imageOf(true, objects()), "registry.example/connector:1");
  assert.is(await imageOf(true, new Objects()), "registry.example/connector:1");
  const away = new Objects({ "transport speech": new TransportError("Unavailable", "away") });
  assert.equal(await admit(bound, away, { useTransportImage: true }), { allowed: false, code: 503, message: "away" });
});

inject("resources and a probe are what is configured (K-27)", async () => {
  const resources = { requests: { cpu: "10m" }, limits: { memory: "128Mi" } };
  const probe = { httpGet: { path: "/healthz", port: 8082 } };
  const container = connectorOf(patched(bound, await admit(bound, new Objects(), { resources, probe })));
  assert.equal(container["resources"], resources);
  assert.equal(container["livenessProbe"], probe);
  assert.equal(container.env.at(-1), { name: "BOBRAVOZ_HEALTH_LISTEN", value: "0.0.0.0:8082" });
  const byGrpc = connectorOf(patched(bound, await admit(bound, new Objects(), { probe: { grpc: { port: 50051 } } })));
  assert.is(byGrpc.env.at(-1)?.["name"], "BOBRAVOZ_HUB_ENDPOINT");
});

inject("certificate variables that are absent follow from those of the engram", async () => {
  const object = pod({
    annotations: { [key]: envelope() },
    container: {
      env: [
        { name: "BUBU_GRPC_TLS_CERT_FILE", value: "/tls/c" },
        { name: "BUBU_GRPC_TLS_KEY_FILE", value: "/tls/k" },
        { name: "BUBU_GRPC_CA_FILE", value: "/tls/ca" },
        { name: "BUBU_GRPC_CLIENT_KEY_FILE", value: "/own/k" },
        { name: "BUBU_DEBUG", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      ],
    },
  });
  const values = valuesOf(connectorOf(patched(object, await admit(object))));
  assert.is(values["BUBU_GRPC_CLIENT_CERT_FILE"], "/tls/c");
  assert.is(values["BUBU_GRPC_CLIENT_KEY_FILE"], "/own/k");
  assert.is(values["BUBU_HUB_TLS_CERT_FILE"], "/tls/c");
  assert.is(values["BUBU_HUB_TLS_KEY_FILE"], "/tls/k");
  assert.is(values["BUBU_HUB_CA_FILE"], "/tls/ca");
  assert.is(values["BUBU_GRPC_PORT"], "50051");
  assert.not("BUBU_DEBUG" in values);
});

inject("a container that a mesh put before the engram's is not taken for it", async () => {
  const own = {
    name: "engram",
    env: [{ name: "BUBU_TRANSPORT_BINDING", value: "x" }, { name: "BUBU_DEBUG", value: "true" }],
  };
  const object = pod({ annotations: { [key]: envelope() }, spec: { containers: [{ name: "proxy" }, own] } });
  assert.is(valuesOf(connectorOf(patched(object, await admit(object))))["BUBU_DEBUG"], "true");
});

inject("a pod without containers is marked and gets none", async () => {
  const object = pod({ annotations: { [key]: envelope() }, spec: { containers: [] } });
  const after = patched(object, await admit(object));
  assert.ok(isJsonObject(after["spec"]) && !("initContainers" in after["spec"]));
  assert.equal((await admit(after)).allowed && (await admit(after)), { allowed: true, patch: [], warnings: [] });
});

inject.run();
