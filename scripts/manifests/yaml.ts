/** Objects as the text of files: YAML for kustomize, YAML with Go templates for the chart. */
import { stringify } from "yaml";
import { isSlot, type Manifest, type Node, operand, plain, type Slot } from "./values.ts";

const options = { lineWidth: 0, aliasDuplicateObjects: false } as const;

/** YAML of one object, slots at their defaults. */
export function toYaml(manifest: Node): string {
  return stringify(plain(manifest), options);
}

/** Several documents in one file. */
export function toYamls(manifests: readonly Node[]): string {
  return manifests.map(toYaml).join("---\n");
}

/** YAML with an expression of the chart in each slot. */
export function toTemplate(manifest: Manifest): string {
  const slots: Slot[] = [];
  const mark = (node: Node): unknown => {
    if (isSlot(node)) {
      slots.push(node);
      return `SLOT-${slots.length - 1}-`;
    }
    if (Array.isArray(node)) return node.map(mark);
    if (typeof node !== "object" || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, mark(value as Node)]));
  };
  return stringify(mark(manifest), options).split("\n").map((line) => {
    const found = /SLOT-(\d+)-/.exec(line);
    if (found === null) return line;
    // the mark was made above
    const { slot, expression, fallback } = slots[Number(found[1])]!;
    if (slot === "begin") return `{{- if ${expression} }}`;
    if (slot === "end") return "{{- end }}";
    const value = typeof fallback === "string" ? `${operand(expression)} | quote` : `toJson ${operand(expression)}`;
    return line.replace(found[0], () => `{{ ${value} }}`);
  }).join("\n");
}
