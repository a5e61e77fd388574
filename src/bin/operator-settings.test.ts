import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readOperatorConfig } from "../contract/operator-config.ts";
import { silentLog } from "../contract/runtime.ts";
import { configFields, OperatorSettings } from "./operator-settings.ts";

const it = suite("operator settings");
const read = (configMap: Record<string, string> | null) => readOperatorConfig({ configMap, env: {}, flags: {} });

function settings(configMap: Record<string, string> | null) {
  const said: string[] = [];
  const warned: string[] = [];
  const operator = new OperatorSettings({
    read: read(configMap),
    program: "controller",
    log: {
      ...silentLog,
      warn: (message, fields) => warned.push(`${message}: ${fields?.["fault"] ?? fields?.["error"]}`),
    },
    onInForce: ({ reason }) => said.push(reason),
  });
  return { operator, said, warned };
}

it("what can be obeyed at once is, and a deleted ConfigMap is the defaults", () => {
  const { operator, said } = settings(null);
  operator.update(read({ "controller.bindings": "create" }));
  assert.is(operator.config["controller.bindings"], "create");
  operator.update(read(null));
  assert.is(operator.config["controller.bindings"], "wait");
  assert.equal(said, []);
});

it("what needs a restart keeps its value, is said once, and is withdrawn when it is taken back", () => {
  const { operator, said, warned } = settings({ "hub.scaleToZero": "true" });
  operator.update(read({ "controller.bindings": "create" }));
  operator.update(read({ "controller.bindings": "wait" }));
  assert.equal([operator.config["hub.scaleToZero"], operator.config["controller.bindings"]], [true, "wait"]);
  assert.equal(said, ["RestartNeeded"]);
  assert.equal(warned, ["configuration is not in force: a restart is needed for hub.scaleToZero=false"]);
  operator.update(read({ "hub.scaleToZero": "true" }));
  assert.equal(said, ["RestartNeeded", "InForce"]);
});

it("a refused configuration changes nothing while the program runs", () => {
  const { operator, said } = settings(null);
  operator.update(read({ "hub.transport-security-mode": "plaintext", "controller.bindings": "create" }));
  assert.is(operator.config["controller.bindings"], "wait");
  assert.equal([said, operator.inForce.status], [["Refused"], "False"]);
});

it("keys of other programs do not ask this one for a restart", () => {
  const { operator, said } = settings(null);
  operator.update(read({ "hub.max-buffers": "7" }));
  assert.equal(said, []);
  assert.is(operator.config["hub.max-buffers"], 7);
});

it("a bad value is named when it comes, not at each change", () => {
  const { operator, warned } = settings(null);
  operator.update(read({ "hub.max-buffers": "x" }));
  operator.update(read({ "hub.max-buffers": "x", "controller.bindings": "create" }));
  assert.is(warned.length, 1);
});

it("the effective configuration names each key, and from where what is not the default comes", () => {
  const fields = configFields(read({ "controller.bindings": "create" }));
  assert.is(fields["controller.bindings"], "create (ConfigMap)");
  assert.is(fields["hub.scaleDownDelay"], "5m0s");
});

it.run();
