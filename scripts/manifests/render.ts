/** Every file below manifests/, by its path. */
import { definitionOf, fileOf } from "./crds/definition.ts";
import { kinds } from "./crds/kinds.ts";
import { toYaml } from "./yaml.ts";

export function renderAll(): Map<string, string> {
  return new Map(kinds.map((kind) => [`crds/${fileOf(kind)}`, toYaml(definitionOf(kind))]));
}
