/** The JSON patch (RFC 6902) of an injection: mark, binding and container (control-plane 7.3, A-20). */
import { annotations, labels } from "../contract/names.ts";
import type { JsonObject, JsonValue } from "../contract/resources.ts";
import { isJsonArray, isJsonObject } from "../contract/settings-schema.ts";
import type { Placement } from "./connector-container.ts";

export type JsonPatch = readonly { readonly op: "add"; readonly path: string; readonly value: JsonValue }[];

export interface InjectionPatchInput {
  readonly pod: JsonObject;
  /** Text of the binding that was used. */
  readonly value: string;
  /** Null: a pod without containers is marked only. */
  readonly container: JsonObject | null;
  readonly placement: Placement;
}

/** Adds and nothing else: what the pod has stays, but for the three marks of ours. The container goes to the end. */
export function injectionPatch({ pod, value, container, placement }: InjectionPatchInput): JsonPatch {
  const metadata = isJsonObject(pod["metadata"]) ? pod["metadata"] : {};
  const spec = isJsonObject(pod["spec"]) ? pod["spec"] : {};
  return [
    ...members(metadata, "labels", { [labels.connector]: "true" }),
    ...members(metadata, "annotations", {
      [annotations.binding]: value,
      [annotations.connectorInjected]: "true",
    }),
    ...container === null
      ? []
      : isJsonArray(spec[placement])
      ? [add(`/spec/${placement}/-`, container)]
      : [add(`/spec/${placement}`, [container])],
  ];
}

function members(metadata: JsonObject, field: string, wanted: Readonly<Record<string, string>>): JsonPatch {
  const present = metadata[field];
  if (!isJsonObject(present)) return [add(`/metadata/${field}`, wanted)];
  return Object.entries(wanted).flatMap(([key, text]) =>
    present[key] === text ? [] : [add(`/metadata/${field}/${escapePointer(key)}`, text)]
  );
}

function add(path: string, value: JsonValue): JsonPatch[number] {
  return { op: "add", path, value };
}

/** A member name as a part of a JSON pointer (RFC 6901). */
function escapePointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
