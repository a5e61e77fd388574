import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isTransportError } from "../contract/errors.ts";
import { readControllerOptions } from "./controller-options.ts";

const it = suite("flags of the controller");

function refusal(...argv: string[]): string {
  try {
    readControllerOptions(argv, {});
  } catch (error) {
    if (isTransportError(error, "Usage")) return error.message;
    throw error;
  }
  return "";
}

it("without flags: probes on, metrics off, nobody is elected, discovery on loopback", () => {
  const options = readControllerOptions([], {});
  assert.match(options.probes?.host ?? "", /^(?:::|0\.0\.0\.0)$/);
  assert.is(options.probes?.port, 8081);
  assert.equal([options.metrics, options.election], [null, null]);
  assert.equal(options.listen, { host: "127.0.0.1", port: 9100 });
  assert.equal(options.config, { namespace: "bobrapet-system", name: "bobravoz-grpc-operator-config" });
});

it("in a pod discovery is open to the pod's network", () => {
  const { listen } = readControllerOptions([], { KUBERNETES_SERVICE_HOST: "10.0.0.1" });
  assert.is.not(listen.host, "127.0.0.1");
  assert.is(listen.port, 9100);
});

it("switches are taken as Go's flags write them", () => {
  assert.ok(readControllerOptions(["--leader-elect"], {}).election);
  assert.ok(readControllerOptions(["--leader-elect=true"], {}).election);
  assert.is(readControllerOptions(["--leader-elect=false"], {}).election, null);
  const { metrics } = readControllerOptions(["--metrics-bind-address=:8443", "--metrics-secure=false"], {});
  assert.equal(metrics, { address: { host: metrics?.address.host, port: 8443 }, secure: null });
});

it("metrics by HTTPS need a certificate, and the default names are those of a Secret", () => {
  assert.match(refusal("--metrics-bind-address=:8443"), "--metrics-cert-path");
  const { metrics } = readControllerOptions(["--metrics-bind-address=:8443", "--metrics-cert-path=/certs/"], {});
  assert.equal(metrics?.secure, { cert: "/certs/tls.crt", key: "/certs/tls.key" });
});

it("the lease has the existing operator's name and lies in the pod's namespace", () => {
  const { election } = readControllerOptions(["--leader-elect"], { POD_NAMESPACE: "ours" });
  assert.equal([election?.lease, election?.namespace], ["184655c9.bubustack.io", "ours"]);
  assert.is(readControllerOptions(["--leader-elect", "--config-namespace=x"], {}).election?.namespace, "x");
});

it("times of the election are in order, or refused", () => {
  const flags = ["--leader-elect", "--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s"];
  assert.is(readControllerOptions([...flags, "--leader-elect-retry-period=500ms"], {}).election?.renewMs, 2000);
  assert.match(refusal(...flags), "it must be");
  assert.match(refusal("--leader-elect", "--leader-elect-retry-period=soon"), "is a duration");
});

it("O-42 the advertised port follows --hub-port, where no variable says otherwise", () => {
  assert.is(readControllerOptions(["--hub-port=9443"], {}).env["BUBU_HUB_PORT"], "9443");
  assert.is(readControllerOptions(["--hub-port=9443"], { BUBU_HUB_PORT: "1" }).env["BUBU_HUB_PORT"], "1");
});

it("flags of existing manifests that change nothing are taken and named; others are refused", () => {
  const { ignored, logLevel } = readControllerOptions(
    ["--zap-devel", "--zap-encoder=json", "--zap-log-level=debug"],
    {},
  );
  assert.equal([ignored, logLevel], [["--zap-devel", "--zap-encoder"], "debug"]);
  assert.match(refusal("--leader-electt"), "unknown flag");
});

it.run();
