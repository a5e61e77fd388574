/** What a stream says at its start: protocol version and capabilities (data-plane 2.2, 2.3). */
import { goQuote, lowerCase, trimSpace } from "./go-text.ts";
import { protocolVersion, requestHeaders } from "./names.ts";

/** A refusal: which kind, and the sentence that peers get. */
export interface StartFault<Kind extends string> {
  readonly kind: Kind;
  readonly message: string;
}

/** Null for the one version spoken here, surrounding blanks aside (control-plane E-05, data-plane D-011). */
export function protocolFault(version: string): StartFault<"protocolMissing" | "protocolUnsupported"> | null {
  const given = trimSpace(version);
  if (given === "") return { kind: "protocolMissing", message: "missing transport protocol version" };
  if (given === protocolVersion) return null;
  return {
    kind: "protocolUnsupported",
    message: `unsupported transport protocol version ${goQuote(given)} (expected ${protocolVersion})`,
  };
}

/** Whether a connector announces its capabilities before the first packet. */
export type StartupCapabilities = "required" | "none";

/** Reads the `startup.capabilities` header, in any case and with blanks around it. */
export function readStartupCapabilities(value: string): StartupCapabilities | StartFault<"missing" | "invalid"> {
  const given = lowerCase(trimSpace(value));
  if (given === "required" || given === "none") return given;
  const name = requestHeaders.capabilities;
  if (given === "") return { kind: "missing", message: `missing ${name} metadata` };
  return { kind: "invalid", message: `invalid ${name} metadata ${goQuote(value)} (expected required or none)` };
}
