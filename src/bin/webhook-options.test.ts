import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isTransportError } from "../contract/errors.ts";
import { readWebhookOptions } from "./webhook-options.ts";

const it = suite("flags of the webhook");

it("without flags it listens where the existing operator's webhook does", () => {
  const options = readWebhookOptions([], {});
  assert.equal(options.listen, { host: "::", port: 9443 });
  assert.equal(options.probes, { host: "::", port: 8081 });
  assert.is(options.metrics, null);
  assert.equal(options.certificate, {
    certFile: "/tmp/k8s-webhook-server/serving-certs/tls.crt",
    keyFile: "/tmp/k8s-webhook-server/serving-certs/tls.key",
  });
  assert.equal(options.config, { namespace: "bobrapet-system", name: "bobravoz-grpc-operator-config" });
  assert.is(options.placement, null);
  assert.is(options.discoveryEndpoint, "bobravoz-grpc-discovery.bobrapet-system.svc.cluster.local:9100");
});

it("flags and variables say otherwise", () => {
  const argv = [
    "--webhook-cert-path=/certs/",
    "--webhook-cert-name=a",
    "--webhook-cert-key=b",
    "--listen=127.0.0.1:7000",
  ];
  const more = ["--connector-placement=containers", "--leader-elect=false", "--zap-encoder=json", "--enable-http2"];
  const env = { POD_NAMESPACE: "ours", BUBU_HUB_CLUSTER_DOMAIN: "svc.corp.example" };
  const options = readWebhookOptions([...argv, ...more], env);
  assert.equal(options.certificate, { certFile: "/certs/a", keyFile: "/certs/b" });
  assert.equal(options.listen, { host: "127.0.0.1", port: 7000 });
  assert.is(options.placement, "containers");
  assert.is(options.discoveryEndpoint, "bobravoz-grpc-discovery.ours.svc.corp.example:9100");
  assert.equal(options.ignored, ["--enable-http2", "--zap-encoder"]);
  assert.is(readWebhookOptions([], { ...env, BOBRAVOZ_DISCOVERY_ENDPOINT: "d:1" }).discoveryEndpoint, "d:1");
});

it("ENABLE_WEBHOOKS=false switches it off (A-01), and what is not understood is named", () => {
  assert.is(readWebhookOptions([], { ENABLE_WEBHOOKS: "false" }).listen, null);
  assert.is(readWebhookOptions([], { ENABLE_WEBHOOKS: "true" }).listen?.port, 9443);
  const rows = [
    [["--listen=0"], "ENABLE_WEBHOOKS=false"],
    [["--connector-placement=pods"], "auto, initContainers, containers"],
    [["--webhook-cert-pat=x"], "--webhook-cert-path"],
    [["--metrics-bind-address=:8443"], "--metrics-cert-path"],
  ] as const;
  for (const [argv, text] of rows) {
    try {
      readWebhookOptions(argv, {});
      assert.unreachable(argv[0]);
    } catch (error) {
      assert.ok(isTransportError(error, "Usage"), String(error));
      assert.match(error.message, text);
    }
  }
});

it.run();
