import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hubWorkloadName, isRealtime, isTerminalPhase, localConnectorEndpoint, transportMode } from "./gates.ts";
import { hostPart, hubAddress, hubPodAddress } from "./hub-address.ts";

const test = suite("hub-address");

test("C-102 all five rows of the address table hold", () => {
  const service = "bobravoz-grpc-hub";
  assert.is(hubAddress({}, "demo"), `${service}.demo.svc.cluster.local:9000`);
  assert.is(
    hubAddress({ BUBU_HUB_SERVICE_NAMESPACE: "bobrapet-system" }, "demo"),
    `${service}.bobrapet-system.svc.cluster.local:9000`,
  );
  const parts = {
    BUBU_HUB_SERVICE_NAME: "hub",
    BUBU_HUB_CLUSTER_DOMAIN: "svc.corp.example",
    BUBU_HUB_PORT: "9443",
  };
  assert.is(hubAddress(parts, "demo"), "hub.demo.svc.corp.example:9443");
  assert.is(hubAddress({ BUBU_HUB_PORT: "abc" }, "demo"), `${service}.demo.svc.cluster.local:9000`);
  assert.is(hubAddress({ BUBU_HUB_ENDPOINT: "hub.local:7000" }, "demo"), "hub.local:7000");
});

test("C-102 under our StatefulSet the address is the pod's, composed from the same variables", () => {
  const pod = "bobravoz-grpc-hub-2";
  const headless = "bobravoz-grpc-hub-pods";
  assert.is(hubPodAddress({}, "bobrapet-system", pod), `${pod}.${headless}.bobrapet-system.svc.cluster.local:9000`);
  const parts = {
    BUBU_HUB_ENDPOINT: "hub.local:7000",
    BUBU_HUB_SERVICE_NAME: "hub",
    BUBU_HUB_SERVICE_NAMESPACE: "voice",
    BUBU_HUB_CLUSTER_DOMAIN: "svc.corp.example",
    BUBU_HUB_PORT: "9443",
  };
  assert.is(hubPodAddress(parts, "other", "hub-0"), "hub-0.hub-pods.voice.svc.corp.example:9443");
});

test("a host is told apart from its port, in brackets or not", () => {
  assert.equal(["a.b:9000", "[::1]:9000", "a.b", ":9000"].map(hostPart), ["a.b", "::1", "a.b", ""]);
});

test("R-06 R-08 only the exact word makes a Story realtime, and any but batch makes its transports hot", () => {
  assert.ok(isRealtime("realtime"));
  assert.not(isRealtime("Realtime"));
  assert.is(transportMode("streaming").mode, "hot");
  assert.equal(transportMode("batch"), { mode: "fallback", modeReason: "batch-pattern" });
});

test("C-069 a phase is over by its exact word", () => {
  assert.ok(isTerminalPhase("Succeeded"));
  assert.not(isTerminalPhase("Running"));
  assert.not(isTerminalPhase(undefined));
});

test("N-16 a port of 0 or less is the default one", () => {
  assert.is(localConnectorEndpoint(0), "127.0.0.1:50051");
  assert.is(localConnectorEndpoint(6000), "127.0.0.1:6000");
});

test("N-02c the existing hub operator hashes long names its own way", () => {
  assert.is(hubWorkloadName(["a", "b".repeat(70)]), `a-${"b".repeat(52)}-90d0db98`);
});

test.run();
