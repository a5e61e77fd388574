/** A small language for shapes of JSON values, and the check of a value against one. */

/** Something wrong in a value, and where. */
export interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** The shape of a JSON value. */
export type Schema =
  | { readonly type: "string"; readonly minLength?: number; readonly maxLength?: number; readonly pattern?: RegExp }
  | { readonly type: "enum"; readonly values: readonly string[] }
  | { readonly type: "boolean" }
  | { readonly type: "integer"; readonly min?: number; readonly max?: number }
  /** Any JSON value. */
  | { readonly type: "any" }
  /** Any JSON object. */
  | { readonly type: "free" }
  /** An object with string keys of one's own choice. */
  | { readonly type: "map"; readonly values: Schema }
  | { readonly type: "list"; readonly items: Schema; readonly minItems?: number; readonly maxItems?: number }
  | {
    readonly type: "object";
    readonly fields: Readonly<Record<string, Schema>>;
    readonly required: readonly string[];
    /** Other fields are never a fault. */
    readonly open?: boolean;
  };

type Report = (path: Fault["path"], message: string) => void;

/**
 * Reports everything in `value` that is not of the shape. Null stands for an absent field, as on an API server.
 * `strict` reports fields that the shape does not name.
 */
export function check(schema: Schema, value: unknown, path: Fault["path"], strict: boolean, report: Report): void {
  const expected = (what: string) => report(path, `${name(path)} must be ${what}, not ${shown(value)}`);
  switch (schema.type) {
    case "any":
      return;
    case "string":
      if (typeof value !== "string") return expected("a string");
      if (value.length < (schema.minLength ?? 0)) return report(path, `${name(path)} must not be empty`);
      if (value.length > (schema.maxLength ?? Infinity)) {
        return report(path, `${name(path)} has ${value.length} characters, at most ${schema.maxLength} are allowed`);
      }
      if (schema.pattern !== undefined && !schema.pattern.test(value)) {
        return report(path, `${name(path)} ${shown(value)} does not match ${schema.pattern.source}`);
      }
      return;
    case "enum":
      if (typeof value !== "string" || !schema.values.includes(value)) return expected(oneOf(schema.values));
      return;
    case "boolean":
      if (typeof value !== "boolean") return expected("true or false");
      return;
    case "integer":
      if (typeof value !== "number" || !Number.isInteger(value)) return expected("an integer");
      if (value < (schema.min ?? -Infinity)) return expected(`at least ${schema.min}`);
      if (value > (schema.max ?? Infinity)) return expected(`at most ${schema.max}`);
      return;
    case "free":
      if (!isRecord(value)) return expected("an object");
      return;
    case "map":
      if (!isRecord(value)) return expected("an object");
      for (const [key, member] of Object.entries(value)) check(schema.values, member, [...path, key], strict, report);
      return;
    case "list":
      if (!Array.isArray(value)) return expected("a list");
      if (value.length < (schema.minItems ?? 0)) return report(path, `${name(path)} must not be empty`);
      if (value.length > (schema.maxItems ?? Infinity)) {
        return report(path, `${name(path)} has ${value.length} items, at most ${schema.maxItems} are allowed`);
      }
      value.forEach((item, index) => check(schema.items, item, [...path, index], strict, report));
      return;
    case "object": {
      if (!isRecord(value)) return expected("an object");
      for (const field of schema.required) {
        if (value[field] === undefined || value[field] === null) {
          report([...path, field], `${name([...path, field])} is missing`);
        }
      }
      for (const [field, member] of Object.entries(value)) {
        const shape = Object.hasOwn(schema.fields, field) ? schema.fields[field] : undefined;
        if (shape === undefined) {
          if (strict && !schema.open) report([...path, field], `unknown field ${name([...path, field])}`);
        } else if (member !== undefined && member !== null) {
          check(shape, member, [...path, field], strict, report);
        }
      }
      return;
    }
    default:
      schema satisfies never;
  }
}

/** A path as people write it: `spec.steps[2].needs[0]`. */
export function name(path: Fault["path"]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text === "" ? "the object" : text;
}

function shown(value: unknown): string {
  if (value === undefined) return "absent";
  if (Array.isArray(value)) return "a list";
  if (isRecord(value)) return "an object";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? `"${values[0]}"` : `one of ${values.join(", ")}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
