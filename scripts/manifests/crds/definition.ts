/** A kind as the CustomResourceDefinition that declares it. */
import type { JsonObject } from "../../../src/contract/resources.ts";
import type { KindDefinition } from "./kinds.ts";

/** The name of its file. */
export function fileOf({ plural, group }: KindDefinition): string {
  return `${group}_${plural}.yaml`;
}

export function definitionOf(kind: KindDefinition): JsonObject {
  const age = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${kind.group}`, labels: { "app.kubernetes.io/part-of": "bobravoz-development" } },
    spec: {
      group: kind.group,
      scope: kind.scope,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: kind.shortNames,
        categories: kind.categories,
      },
      versions: [{
        name: "v1alpha1",
        served: true,
        storage: true,
        subresources: { status: {} },
        ...kind.columns.length === 0 ? {} : {
          additionalPrinterColumns: [
            ...kind.columns.map(({ name, jsonPath, type = "string" }) => ({ name, type, jsonPath })),
            age,
          ],
        },
        ...kind.selectable.length === 0 ? {} : { selectableFields: kind.selectable.map((jsonPath) => ({ jsonPath })) },
        schema: {
          openAPIV3Schema: {
            type: "object",
            description: `${kind.kind} as bobravoz reads and writes it.`,
            required: ["spec"],
            properties: {
              apiVersion: { type: "string" },
              kind: { type: "string" },
              metadata: { type: "object" },
              spec: kind.spec,
              status: kind.status,
            },
          },
        },
      }],
    },
  };
}
