/** The ConfigMap of the operator with every key, from the table by which we read it (control-plane 8.1). */
import { type OperatorKey, operatorKeys } from "../../src/contract/operator-keys.ts";
import { metadata, names } from "./names.ts";
import { type Condition, type Manifest, slot } from "./values.ts";

/** What we ship otherwise than a program without ConfigMap would have it (control-plane O-01). */
const shipped: Readonly<Partial<Record<OperatorKey, string>>> = { "templating.evaluation-timeout": "5s" };

const keys = Object.keys(operatorKeys) as OperatorKey[]; // keys of a const table

/** Key → value as we ship it. */
export const operatorData: Readonly<Record<string, string>> = Object.fromEntries(
  keys.map((key) => [key, shipped[key] ?? operatorKeys[key].fallback]),
);

/** `hub.buffer-max-messages` → `hubBufferMaxMessages`, the name of its value in the chart. */
export function valueName(key: string): string {
  return key.replace(/[.-](\w)/g, (_, letter: string) => letter.toUpperCase());
}

export const operatorConfig: Manifest = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: metadata(names.config),
  data: Object.fromEntries(
    Object.entries(operatorData).map(([key, value]) => [key, slot(`operatorConfig.${valueName(key)}`, value)]),
  ),
};

/** Whether the number of hubs is somebody else's to choose: the controller's or an autoscaler's. */
export const isScaled: Condition = {
  expression: `or .Values.hub.autoscaling.enabled (eq (toString .Values.operatorConfig.${
    valueName("hub.scaleToZero")
  }) "true")`,
  holds: false,
};
