/** What `routing.mode` of merged settings says about a step (control-plane T-11). */
import type { JsonValue } from "../contract/resources.ts";

export interface RoutingOverride {
  /** The text as compared: trimmed, lower-case; empty when there is none or it is no string. */
  readonly normalized: string;
  /** Empty: no override. `p2p` never upgrades a step. */
  readonly mode: "hub" | "p2p" | "";
  readonly forceHub: boolean;
}

/** Reads the override; whatever is not `hub` or `p2p` overrides nothing. */
export function routingOverride(merged: JsonValue | undefined): RoutingOverride {
  const text = member(member(merged, "routing"), "mode");
  const normalized = typeof text === "string" ? text.trim().toLowerCase() : "";
  const mode = normalized === "hub" || normalized === "p2p" ? normalized : "";
  return { normalized, mode, forceHub: mode === "hub" };
}

function member(value: JsonValue | undefined, key: string): JsonValue | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, key) ? (value as Readonly<Record<string, JsonValue>>)[key] : undefined;
}
