import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readConnectorConfig } from "./connector-config.ts";

const test = suite("connector-config");

const env = {
  BUBU_HUB_ENDPOINT: "hub:9000",
  BUBU_STORYRUN_ID: "voice-run-7",
  BUBU_POD_NAMESPACE: "demo",
  BUBU_STEP_NAME: "transcribe",
  BUBU_CONNECTOR_GENERATION: "3",
  BUBU_TRANSPORT_BINDING: '{"name":"b","binding":{"driver":"d","protocolVersion":"1.0.0"}}',
};

test("a complete environment gives a configuration with its defaults", () => {
  const { config, faults } = readConnectorConfig(env);
  assert.equal(faults, []);
  assert.is(config.localEndpoint, "127.0.0.1:50051");
  assert.is(config.heartbeat, "30s");
  assert.equal(config.binding, { name: "b", namespace: "demo" });
});

test("D-060 every missing variable is named, not only the first", () => {
  const messages = readConnectorConfig({}).faults.map((fault) => fault.message);
  assert.equal(messages, [
    "BUBU_HUB_ENDPOINT must be set",
    "BUBU_STORYRUN_ID must be set",
    "BUBU_POD_NAMESPACE must be set",
    "BUBU_STEP_NAME must be set",
    "BUBU_TRANSPORT_BINDING must be set",
    "BUBU_CONNECTOR_GENERATION must be set",
  ]);
});

test("D-012 a generation is an int32 above zero", () => {
  for (const generation of ["0", "-1", "x", "2147483648"]) {
    const { faults } = readConnectorConfig({ ...env, BUBU_CONNECTOR_GENERATION: generation });
    assert.equal(faults.map((fault) => fault.message), [`invalid BUBU_CONNECTOR_GENERATION "${generation}"`]);
  }
});

test("a duration that does not parse, and one that is not positive, leave the default", () => {
  const { config } = readConnectorConfig({ ...env, BUBU_GRPC_DIAL_TIMEOUT: "soon", BUBU_GRPC_HUB_DIAL_TIMEOUT: "0s" });
  assert.equal([config.localDialTimeout, config.hubDialTimeout], ["5s", "10s"]);
});

test.run();
