/** The operator's ConfigMap as it is read before anything else is looked at (control-plane O-01, O-02, C-100). */
import { durationText, readOperatorData } from "../../../src/contract/operator-config.ts";
import { type OperatorKey, operatorKeys } from "../../../src/contract/operator-keys.ts";
import { type Answer, topicByOperation } from "../topic.ts";

/** Keys that are ours, and the one that later releases refuse where this one ignored it. */
const leftOut: ReadonlySet<string> = new Set<OperatorKey>([
  "hub.transport-security-mode",
  "hub.identity",
  "discovery.identity",
  "hub.stallLimit",
  "hub.scaleToZero",
  "hub.scaleDownDelay",
  "controller.bindings",
  "connector.use-transport-image",
  "connector.resources",
  "connector.probe",
]);

export const operatorConfig = topicByOperation({
  configMap: ({ data }: { readonly data: Readonly<Record<string, string>> }): Answer => {
    const values = Object.entries(readOperatorData(data)).filter(([key]) => !leftOut.has(key));
    return {
      output: Object.fromEntries(values.map(([key, value]) => {
        const { form } = operatorKeys[key as OperatorKey];
        const isTime = form === "duration" || form === "evaluationTimeout";
        return [key, isTime ? durationText(Number(value)) : value];
      })),
    };
  },
});
