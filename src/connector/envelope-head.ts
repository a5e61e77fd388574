/** The packet envelope of an engram, read as far as it decides: kind, payload and inputs; and whole when it is asked for. */
import { maxPacketEnvelopeBytes, type PacketEnvelope, readPacketEnvelope } from "../contract/packet-envelope.ts";

export interface EnvelopeHead {
  /** Empty: none is written. */
  readonly kind: string;
  readonly payload: unknown;
  readonly inputs: unknown;
  readonly hasTransports: boolean;
  /** Every member, payload and inputs as they were written. */
  whole(): PacketEnvelope;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
const members = new Set(["version", "kind", "messageId", "timestampMs", "metadata", "payload", "inputs", "transports"]);

/**
 * Reads the body of an envelope frame; null where an SDK would refuse it. What is written as every SDK does is read by
 * the platform's own parser; all else (other cases of names, odd types) by the rules of `packet-envelope.ts`.
 */
export function readEnvelopeHead(body: Uint8Array): EnvelopeHead | null {
  if (body.length === 0 || body.length > maxPacketEnvelopeBytes) return null;
  try {
    const value: unknown = JSON.parse(utf8.decode(body));
    if (isPlain(value)) {
      return {
        kind: value.kind ?? "",
        payload: value.payload,
        inputs: value.inputs,
        hasTransports: (value.transports?.length ?? 0) > 0,
        whole: () => readPacketEnvelope(body),
      };
    }
    const envelope = readPacketEnvelope(body);
    return {
      kind: envelope.kind,
      payload: envelope.payload === undefined ? undefined : JSON.parse(envelope.payload),
      inputs: envelope.inputs === undefined ? undefined : JSON.parse(envelope.inputs),
      hasTransports: (envelope.transports?.length ?? 0) > 0,
      whole: () => envelope,
    };
  } catch {
    return null;
  }
}

interface Plain {
  readonly kind?: string;
  readonly payload?: unknown;
  readonly inputs?: unknown;
  readonly transports?: readonly unknown[];
}

function isPlain(value: unknown): value is Plain {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const object = value as Record<string, unknown>;
  for (const name in object) {
    if (!members.has(name)) return false;
    const member = object[name];
    switch (name) {
      case "version":
      case "kind":
      case "messageId":
        if (typeof member !== "string") return false;
        break;
      case "timestampMs":
        if (!Number.isSafeInteger(member)) return false;
        break;
      case "metadata":
        if (typeof member !== "object" || member === null || Array.isArray(member)) return false;
        for (const key in member) if (typeof (member as Record<string, unknown>)[key] !== "string") return false;
        break;
      case "transports":
        // rare, and their members have types of their own
        return false;
    }
  }
  return true;
}
