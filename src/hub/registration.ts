/** Who a Process stream says it is: the checks of data-plane 2.2 and 2.3 in their order. */
import { TransportError } from "../contract/errors.ts";
import { protocolVersion, requestHeaders } from "../contract/names.ts";

/** How `startup.capabilities` was given; counted, never refused (data-plane D-013). */
export type CapabilitiesMode = "missing" | "invalid" | "required" | "none";

export interface Registration {
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
  readonly generation: number;
  readonly capabilities: CapabilitiesMode;
}

/** Reads request metadata. `header` answers a value or undefined. Throws with the reason and text of data-plane 2.3. */
export function parseRegistration(header: (name: string) => string | undefined): Registration {
  const read = (name: string): string => header(name)?.trim() ?? "";
  const protocol = read(requestHeaders.protocol);
  if (protocol === "") throw new TransportError("ProtocolVersion", "missing transport protocol version");
  if (protocol !== protocolVersion) {
    throw new TransportError(
      "ProtocolVersion",
      `unsupported transport protocol version ${JSON.stringify(protocol)} (expected ${protocolVersion})`,
    );
  }
  const storyRun = read(requestHeaders.storyRun);
  const namespace = read(requestHeaders.namespace);
  const step = read(requestHeaders.step);
  const missing = [
    storyRun === "" ? requestHeaders.storyRun : "",
    namespace === "" ? requestHeaders.namespace : "",
    step === "" ? requestHeaders.step : "",
  ].filter((name) => name !== "");
  if (missing.length > 0) {
    throw new TransportError("InvalidMetadata", missing.map((name) => `missing ${name} metadata`).join("; "));
  }
  const subject = { namespace, storyRun, step };
  const generation = read(requestHeaders.generation);
  if (generation === "") {
    throw new TransportError("InvalidGeneration", "missing connector-generation metadata", subject);
  }
  const number = /^[+-]?[0-9]+$/.test(generation) ? Number(generation) : 0;
  if (number < 1 || number > 2147483647) {
    const text = `invalid connector-generation metadata ${JSON.stringify(generation)}`;
    throw new TransportError("InvalidGeneration", text, subject);
  }
  return { namespace, storyRun, step, generation: number, capabilities: readCapabilities(header) };
}

function readCapabilities(header: (name: string) => string | undefined): CapabilitiesMode {
  const value = header(requestHeaders.capabilities);
  if (value === undefined || value.trim() === "") return "missing";
  const mode = value.trim().toLowerCase();
  return mode === "required" || mode === "none" ? mode : "invalid";
}
