/** routing-override.json: what `routing.mode` of merged settings says (control-plane T-11). */
import type { JsonValue } from "../../../src/contract/resources.ts";
import { routingOverride } from "../../../src/topology/override.ts";
import { topic } from "../topic.ts";

/** A case of routing-override.json. */
export const routingOverrides = topic((settings: JsonValue) => {
  const override = routingOverride(settings);
  return { output: { ...override, valid: override.mode !== "" } };
});
