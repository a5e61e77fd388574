import { suite } from "uvu";
import * as assert from "uvu/assert";
import { changedKeys, configText, connectorImage, readOperatorConfig, variablesOf } from "./operator-config.ts";
import { type OperatorKey, operatorKeys } from "./operator-keys.ts";

const it = suite("operator configuration");
const none = { configMap: null, env: {}, flags: {} } as const;

/** Defaults as control-plane 8.1 and the project's own page have them. */
const defaults: Readonly<Record<OperatorKey, string>> = {
  "hub.transport-security-mode": "tls",
  "hub.buffer-max-messages": "1000",
  "hub.buffer-max-bytes": "10485760",
  "hub.buffer-eviction-ttl": "10m0s",
  "hub.buffer-eviction-interval": "1m0s",
  "hub.channel-buffer-size": "100",
  "hub.per-message-timeout": "10m0s",
  "hub.max-active-streams": "2000",
  "hub.max-buffers": "1000",
  "hub.max-downstreams-hard-cap": "64",
  "connector.image": "ghcr.io/bubustack/bobravoz-grpc-connector:latest",
  "connector.image-pull-policy": "IfNotPresent",
  "telemetry.trace-propagation": "true",
  "templating.evaluation-timeout": "30s",
  "templating.max-output-bytes": "65536",
  "templating.deterministic": "false",
  "templating.offloaded-data-policy": "error",
  "templating.materialize-engram": "bubu-materialize",
  "hub.identity": "observe",
  "discovery.identity": "enforce",
  "hub.stallLimit": "5s",
  "hub.scaleToZero": "false",
  "hub.scaleDownDelay": "5m0s",
  "controller.bindings": "wait",
  "connector.use-transport-image": "false",
  "connector.resources": "",
  "connector.probe": "",
};

it("C-100 each key has the documented default, and bad numbers keep it and are named all at once", () => {
  const { config, faults, refusals } = readOperatorConfig(none);
  for (const [key, text] of Object.entries(defaults) as [OperatorKey, string][]) {
    assert.is(configText(key, config[key]), text, key);
  }
  assert.equal([faults, refusals], [[], []]);
  const bad = readOperatorConfig({
    ...none,
    configMap: { "hub.max-buffers": "many", "hub.buffer-eviction-ttl": "-1s", "hub.maxBuffers": "7" },
  });
  assert.equal(bad.config, config);
  assert.equal(bad.faults, [
    'ConfigMap key hub.buffer-eviction-ttl: "-1s" is not a duration above 0, 10m is used',
    'ConfigMap key hub.max-buffers: "many" is not a whole number above 0, 1000 is used',
    'ConfigMap key "hub.maxBuffers" is not known',
  ]);
});

it("C-100 a bad security mode stops the start with a message, from the ConfigMap and from the variable", () => {
  const key = "hub.transport-security-mode";
  assert.equal(readOperatorConfig({ ...none, configMap: { [key]: "plaintext" } }).refusals, [
    `ConfigMap key ${key}: "plaintext" is not "tls", the only one`,
  ]);
  assert.equal(readOperatorConfig({ ...none, env: { BUBU_TRANSPORT_SECURITY_MODE: "none" } }).refusals, [
    'BUBU_TRANSPORT_SECURITY_MODE: "none" is not "tls", the only one',
  ]);
  const fine = readOperatorConfig({ ...none, configMap: { [key]: " TLS " } });
  assert.equal([fine.config[key], fine.refusals], ["tls", []]);
});

it("a misspelt identity mode stops the start, since it would leave open what was to be closed", () => {
  const { refusals } = readOperatorConfig({ ...none, configMap: { "hub.identity": "enforced" } });
  assert.equal(refusals, ['ConfigMap key hub.identity: "enforced" is not one of enforce, observe, off']);
});

it("hubs that go to zero beside an address that is given are refused", () => {
  const env = { BUBU_HUB_ENDPOINT: "hub.example:9000" };
  assert.is(readOperatorConfig({ ...none, env, configMap: { "hub.scaleToZero": "true" } }).refusals.length, 1);
  assert.is(readOperatorConfig({ ...none, env }).refusals.length, 0);
});

it("C-101 a flag beats the environment, which beats the ConfigMap, which beats the default", () => {
  const configMap = { "connector.image": "of-map", "hub.max-buffers": "3" };
  const env = { CONNECTOR_IMAGE: "of-env", BUBU_HUB_MAX_BUFFERS: "2" };
  const flags = { "connector-image": "of-flag" };
  const image = (input: Partial<typeof none | object>) =>
    readOperatorConfig({ ...none, ...input }).config["connector.image"];
  assert.is(image({ configMap, env, flags }), "of-flag");
  assert.is(image({ configMap, env }), "of-env");
  assert.is(image({ configMap }), "of-map");
  const { config, sources } = readOperatorConfig({ configMap, env, flags });
  assert.is(config["hub.max-buffers"], 2);
  assert.equal(
    [sources["connector.image"], sources["hub.max-buffers"], sources["hub.identity"]],
    ["flag", "variable", "default"],
  );
});

it("C-101 a flag that equals its default and a blank variable are not set", () => {
  const flags = { "connector-image": operatorKeys["connector.image"].fallback };
  const { config } = readOperatorConfig({
    configMap: { "connector.image": "of-map" },
    env: { CONNECTOR_IMAGE: " " },
    flags,
  });
  assert.is(config["connector.image"], "of-map");
});

it("a variable that is set and bad gives the default, not the value below it", () => {
  const { config, faults } = readOperatorConfig({
    ...none,
    configMap: { "hub.max-buffers": "3" },
    env: { BUBU_HUB_MAX_BUFFERS: "x" },
  });
  assert.is(config["hub.max-buffers"], 1000);
  assert.is(faults.length, 1);
});

it("words out of a closed list are named and give the default", () => {
  const { config, faults } = readOperatorConfig({
    ...none,
    configMap: { "connector.image-pull-policy": "always", "connector.resources": "[1]", "controller.bindings": "" },
  });
  assert.is(config["connector.image-pull-policy"], "IfNotPresent");
  assert.equal(faults, [
    'ConfigMap key connector.image-pull-policy: "always" is not one of Always, IfNotPresent, Never, IfNotPresent is used',
    'ConfigMap key controller.bindings: "" is not one of wait, create, wait is used',
    'ConfigMap key connector.resources: "[1]" is not a JSON object, none is used',
  ]);
});

it("an evaluation timeout that does not parse is the shortest one, and is named", () => {
  const { config, faults } = readOperatorConfig({ ...none, configMap: { "templating.evaluation-timeout": "5" } });
  assert.is(config["templating.evaluation-timeout"], 1000);
  assert.match(faults.join(), "1s is used");
});

it("a connector image that is blank or the built-in default is the operator's own (O-22)", () => {
  const { fallback } = operatorKeys["connector.image"];
  assert.is(connectorImage({ "connector.image": "" }, "own:1"), "own:1");
  assert.is(connectorImage({ "connector.image": fallback }, "own:1"), "own:1");
  assert.is(connectorImage({ "connector.image": "mine:2" }, "own:1"), "mine:2");
  assert.is(connectorImage({ "connector.image": "" }, null), fallback);
});

it("values of the ConfigMap are handed on as variables where those are not set (O-03)", () => {
  const variable = variablesOf({ configMap: { "hub.max-buffers": "3", "hub.stallLimit": "1s" }, env: {} });
  assert.equal([variable("BUBU_HUB_MAX_BUFFERS"), variable("BOBRAVOZ_HUB_STALL_LIMIT"), variable("PATH")], [
    "3",
    "1s",
    undefined,
  ]);
  assert.is(
    variablesOf({ configMap: { "hub.max-buffers": "3" }, env: { BUBU_HUB_MAX_BUFFERS: "4" } })(
      "BUBU_HUB_MAX_BUFFERS",
    ),
    "4",
  );
});

it("a change says which keys a program obeys at once and which wait for a restart", () => {
  const before = readOperatorConfig(none).config;
  const { config: after } = readOperatorConfig({
    ...none,
    configMap: { "controller.bindings": "create", "hub.scaleToZero": "true", "hub.max-buffers": "3" },
  });
  assert.equal(changedKeys(before, after, "controller"), {
    live: ["controller.bindings"],
    atRestart: ["hub.scaleToZero"],
  });
  assert.equal(changedKeys(before, after, "hub"), { live: [], atRestart: ["hub.max-buffers"] });
});

it.run();
