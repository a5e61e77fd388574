/** The one thing that free settings may not do: weaken transport security (control-plane B-08). */
import { lowerCase, trimSpace } from "./go-text.ts";
import { jsonValue, parseJson } from "./json-text.ts";
import type { JsonValue } from "./resources.ts";
import { isJsonObject } from "./settings-schema.ts";

/** A field of a manifest that is refused, in the words of the admission webhooks. */
export interface FieldFault {
  readonly field: string;
  readonly type: "FieldValueInvalid" | "FieldValueRequired" | "FieldValueDuplicate";
  readonly detail: string;
}

const securityMode = "BUBU_TRANSPORT_SECURITY_MODE";

/**
 * Checks settings below `path`: an object, `env` an object where present, and the security mode `tls` where present.
 * Keys are matched exactly. At most one fault.
 */
export function securityFaults(settings: JsonValue | undefined, path: string): readonly FieldFault[] {
  const child = (name: string): string => path === "" ? name : `${path}.${name}`;
  const invalid = (field: string, detail: string): readonly FieldFault[] => [
    { field, type: "FieldValueInvalid", detail },
  ];
  if (settings === undefined || settings === null) return [];
  if (!isJsonObject(settings)) return invalid(path, "must be a valid JSON object");
  if (!Object.hasOwn(settings, "env")) return [];
  const { env } = settings;
  if (!isJsonObject(env)) return invalid(child("env"), "must be an object");
  if (!Object.hasOwn(env, securityMode)) return [];
  const mode = env[securityMode];
  const field = child(`env.${securityMode}`);
  if (typeof mode !== "string") return invalid(field, "must be a string");
  return lowerCase(trimSpace(mode)) === "tls" ? [] : invalid(field, `only "tls" is supported`);
}

/** The same for settings as text; a blank one is none. */
export function securityFaultsOfText(text: string, path: string): readonly FieldFault[] {
  if (trimSpace(text) === "") return [];
  const parsed = parseJson(text);
  const read = "fault" in parsed ? parsed : jsonValue(parsed.node);
  if ("fault" in read) return [{ field: path, type: "FieldValueInvalid", detail: "must be a valid JSON object" }];
  return securityFaults(read.value, path);
}
