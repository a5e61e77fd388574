/** Building blocks of OpenAPI schemas as CustomResourceDefinitions write them. */
import type { JsonObject, JsonValue } from "../../../src/contract/resources.ts";

export type Schema = JsonObject;

export const labelPattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

export const text: Schema = { type: "string" };
export const filled: Schema = { type: "string", minLength: 1 };
export const flag: Schema = { type: "boolean" };
export const int32: Schema = { type: "integer", format: "int32" };
export const int64: Schema = { type: "integer", format: "int64" };
export const time: Schema = { type: "string", format: "date-time" };
export const texts: Schema = { type: "array", items: text };
export const textMap: Schema = { type: "object", additionalProperties: text };
export const version: Schema = { type: "string", maxLength: 64 };
export const label: Schema = { type: "string", minLength: 1, maxLength: 63, pattern: labelPattern };

/** Any object: what a page calls free JSON, and what only others read. */
export const free: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

/** Any value. */
export const any: Schema = { "x-kubernetes-preserve-unknown-fields": true };

export function described(description: string, schema: Schema): Schema {
  return { description, ...schema };
}

export function oneOf(...values: readonly string[]): Schema {
  return { type: "string", enum: values };
}

export function atLeast(minimum: number, schema: Schema = int32): Schema {
  return { ...schema, minimum };
}

export const percent: Schema = { ...int32, minimum: 0, maximum: 100 };

export function list(items: Schema, bounds: { readonly minItems?: number; readonly maxItems?: number } = {}): Schema {
  return { type: "array", items, ...bounds };
}

/** A map from `field` to `fields`; a name that ends in `!` is required. */
export function object(fields: Readonly<Record<string, Schema>>, rules: readonly Rule[] = []): Schema {
  const entries = Object.entries(fields).map(([name, schema]) => [name.replace(/!$/, ""), schema] as const);
  const required = Object.keys(fields).filter((name) => name.endsWith("!")).map((name) => name.slice(0, -1));
  return {
    type: "object",
    properties: Object.fromEntries(entries),
    ...required.length === 0 ? {} : { required },
    ...rules.length === 0 ? {} : { "x-kubernetes-validations": rules.map(([rule, message]) => ({ rule, message })) },
  };
}

/** Like `object`, for one whose other fields are nobody's business here: they are kept. */
export function openObject(fields: Readonly<Record<string, Schema>>, rules: readonly Rule[] = []): Schema {
  return { ...object(fields, rules), "x-kubernetes-preserve-unknown-fields": true };
}

/** A rule in CEL, and the message of what breaks it. */
export type Rule = readonly [rule: string, message: string];

/** One schema with another's members put over its own. */
export function also(schema: Schema, more: Readonly<Record<string, JsonValue>>): Schema {
  return { ...schema, ...more };
}
