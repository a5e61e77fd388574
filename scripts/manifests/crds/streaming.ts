/**
 * The streaming settings of Transports and Stories (control-plane 1.8), from the table by which we read them.
 * Lanes are stricter here than in the table, since the API server has no webhook for them.
 */
import { type Setting, settingValues, streamingSettings } from "../../../src/contract/settings-schema.ts";
import { atLeast, flag, list, object, oneOf, percent, type Schema, text } from "./schema.ts";
import { direction, laneName } from "./shared.ts";

/** Fields whose texts the published CRD leaves to the webhook. */
const uncheckedTexts = new Set(["samplePolicy", "maxDelay", "checkpointInterval", "key"]);

function schemaOf(name: string, setting: Setting): Schema {
  switch (setting.kind) {
    case "boolean":
      return flag;
    case "integer":
      return setting.bound === "percent" ? percent : atLeast(setting.bound === "atLeastOne" ? 1 : 0);
    case "text":
      return setting.rule?.rule === "oneOf" && !uncheckedTexts.has(name) ? oneOf(...setting.rule.values) : text;
    case "list":
      return list(name === "lanes" ? laneOf(setting.item) : schemaOf(name, setting.item));
    case "object":
      return object(
        Object.fromEntries(Object.entries(setting.fields).map(([name, field]) => [name, schemaOf(name, field)])),
      );
    default:
      return setting satisfies never;
  }
}

function laneOf(lane: Setting): Schema {
  if (lane.kind !== "object") throw new Error("a lane is an object");
  const { name: _name, kind: _kind, direction: _direction, ...rest } = lane.fields;
  return object({
    "name!": laneName,
    "kind!": oneOf(...settingValues.laneKind),
    direction,
    ...Object.fromEntries(Object.entries(rest).map(([name, field]) => [name, schemaOf(name, field)])),
  });
}

function fanIn(schema: Schema): Schema {
  const { properties } = schema as { properties: Readonly<Record<string, Schema>> };
  return { ...schema, properties: { ...properties, mode: oneOf(...settingValues.fanIn) } };
}

/** `Transport.spec.streaming` and `Story.spec.transports[].streaming`. */
export const streaming: Schema = object(
  Object.fromEntries(
    Object.entries(streamingSettings.fields).map(([name, field]) => {
      const schema = schemaOf(name, field);
      return [name, name === "fanIn" ? fanIn(schema) : schema];
    }),
  ),
);
