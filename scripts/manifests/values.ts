/**
 * One description, two renderings: an object of the API whose adjustable places are slots. Kustomize writes what they
 * hold by default, the chart an expression over its values.
 *
 * ```
 *   slot("hub.replicas", 1)        replicas: 1            replicas: {{ toJson .Values.hub.replicas }}
 *   join(image, ":", tag)          image: a:b             image: {{ printf "%v:%v" … | quote }}
 *   ...when(condition, item)       item, where it holds   {{- if … }} item {{- end }}
 * ```
 */
import type { JsonObject, JsonValue } from "../../src/contract/resources.ts";

/** A place that an installation may fill. */
export interface Slot {
  readonly slot: "value" | "begin" | "end";
  /** Go template expression of the chart; for a `begin` its condition. */
  readonly expression: string;
  /** What stands there without a chart; for a `begin` whether its item does. */
  readonly fallback: JsonValue;
  /** The slots that the expression is made of, where it is made of several. */
  readonly parts?: readonly Slot[];
}

export type Node = JsonValue | Slot | readonly Node[] | { readonly [key: string]: Node };

/** An object of the API with slots. */
export type Manifest = { readonly [key: string]: Node };

/** The value of the chart at `path`, `fallback` by default (values.yaml is made of these). */
export function slot(path: string, fallback: JsonValue): Slot {
  return { slot: "value", expression: `.Values.${path}`, fallback };
}

/** What Helm knows by itself, for example `.Release.Namespace`. */
export function known(expression: string, fallback: JsonValue): Slot {
  return { slot: "value", expression, fallback };
}

/** Texts and slots in one text. */
export function join(...parts: readonly (string | Slot)[]): Slot {
  const format = parts.map((part) => typeof part === "string" ? part.replaceAll("%", "%%") : "%v").join("");
  const slots = parts.filter((part) => typeof part !== "string");
  return {
    slot: "value",
    expression: `printf ${JSON.stringify(format)} ${slots.map(({ expression }) => operand(expression)).join(" ")}`,
    fallback: parts.map((part) => typeof part === "string" ? part : String(part.fallback)).join(""),
    parts: slots,
  };
}

/** An expression as argument of a function. */
export function operand(expression: string): string {
  return expression.includes(" ") ? `(${expression})` : expression;
}

/** A condition of the chart, and whether it holds without one. */
export interface Condition {
  readonly expression: string;
  readonly holds: boolean;
}

/** An item of a list that stands there only where the condition holds: `[...when(condition, item)]`. */
export function when(condition: Condition, ...items: readonly Node[]): readonly Node[] {
  const { expression, holds } = condition;
  return [
    { slot: "begin", expression, fallback: holds } satisfies Slot,
    ...items,
    { slot: "end", expression, fallback: holds } satisfies Slot,
  ];
}

/** Keys of a map that stand there only where the condition holds: `{...keysWhen(condition, {key: 1})}`. */
export function keysWhen(condition: Condition, keys: Readonly<Record<string, Node>>): Readonly<Record<string, Node>> {
  const { expression, holds } = condition;
  const id = Object.keys(keys).join("-");
  return {
    [`begin-${id}`]: { slot: "begin", expression, fallback: holds } satisfies Slot,
    ...keys,
    [`end-${id}`]: { slot: "end", expression, fallback: holds } satisfies Slot,
  };
}

/** A key that stands there only where the value at `path` is not empty, which it is by default. */
export function keyUnlessEmpty(key: string, path: string, empty: JsonValue): Readonly<Record<string, Node>> {
  return keysWhen({ expression: `.Values.${path}`, holds: false }, { [key]: slot(path, empty) });
}

export function isSlot(node: Node): node is Slot {
  return typeof node === "object" && node !== null && !Array.isArray(node) && "slot" in node && "expression" in node;
}

/** The object with every slot at its default, and without what does not stand there then. */
export function plain(node: Node): JsonValue {
  if (isSlot(node)) return node.fallback;
  if (Array.isArray(node)) return standing(node.map((item) => [null, item] as const)).map(([, item]) => plain(item));
  if (typeof node !== "object" || node === null) return node;
  // not a list, as tested above
  const entries = Object.entries(node as JsonObject);
  return Object.fromEntries(standing(entries).map(([key, value]) => [key, plain(value)]));
}

function standing<Key>(entries: readonly (readonly [Key, Node])[]): (readonly [Key, Node])[] {
  const result: (readonly [Key, Node])[] = [];
  let skipped = 0;
  for (const entry of entries) {
    const node = entry[1];
    if (isSlot(node) && node.slot !== "value") {
      if (node.fallback === false) skipped += node.slot === "begin" ? 1 : -1;
    } else if (skipped === 0) result.push(entry);
  }
  return result;
}
