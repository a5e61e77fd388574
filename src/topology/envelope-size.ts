/** The bound of an envelope: what still fits into an environment variable (control-plane K-35, C-110). */
import { TransportError } from "../contract/errors.ts";
import type { Subject } from "../contract/errors.ts";
import { settingPath } from "./setting-path.ts";
import type { StepTransport } from "./transports.ts";

/** Largest value of `BUBU_TRANSPORT_BINDING` in bytes (DECISIONS K-35). */
export const maxEnvelopeBytes = 120 * 1_024;

/** Throws `EnvelopeTooLarge` for an envelope above the bound; the message names the setting that is large. */
export function checkEnvelope(envelope: string, transport: StepTransport, subject: Subject): void {
  // A character has at most three bytes: nearly every envelope is short enough without counting.
  if (envelope.length * 3 <= maxEnvelopeBytes) return;
  const bytes = byteLength(envelope);
  if (bytes <= maxEnvelopeBytes) return;
  const large = largestSetting(JSON.parse(transport.merged ?? "{}"));
  const path = settingPath(transport, large.keys);
  throw new TransportError(
    "EnvelopeTooLarge",
    `binding of step "${subject.step}" has ${bytes} bytes and at most ${maxEnvelopeBytes} fit into a variable: ` +
      `${path} has ${large.bytes}`,
    { ...subject, path },
  );
}

/** Follows the largest member down as long as it makes up most of what it is in. */
function largestSetting(settings: unknown): { readonly keys: readonly string[]; readonly bytes: number } {
  const keys: string[] = [];
  let value = settings;
  let bytes = sizeOf(value);
  while (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const sizes = Object.entries(value).map(([key, member]) => ({ key, member, bytes: sizeOf(member) }));
    const largest = sizes.reduce((a, b) => b.bytes > a.bytes ? b : a, { key: "", member: null, bytes: 0 });
    if (largest.bytes * 2 < bytes) break;
    keys.push(largest.key);
    value = largest.member;
    bytes = largest.bytes;
  }
  return { keys, bytes };
}

function sizeOf(value: unknown): number {
  return byteLength(JSON.stringify(value));
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
