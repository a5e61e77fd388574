/** gRPC's status in HTTP/2 headers, both ways: code, encoded message, reason, deadline (gRPC over HTTP/2). */
import { Buffer } from "node:buffer";
import type { IncomingHttpHeaders } from "node:http2";
import { isTransportError, type Reason } from "../../contract/errors.ts";
import type { CallStatus, Metadata, Outcome } from "./call.ts";
import { codeOfReason, type GrpcCode, grpcCodes, parseCode, reasonFor } from "./codes.ts";

/** Metadata key (a trailer in gRPC) that carries the `Reason` of a failed call. */
export const reasonHeader = "bobravoz-reason";

/** Percent-encodes the UTF-8 bytes that `grpc-message` may not carry as they are; a lone surrogate becomes U+FFFD. */
export function encodeGrpcMessage(text: string): string {
  if (/^[ -$&-~]*$/.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text)) {
    encoded += byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** Undoes it. What is not encoded well stays as it is. */
export function decodeGrpcMessage(text: string): string {
  if (!text.includes("%")) return text;
  const bytes: number[] = [];
  const raw = Buffer.from(text);
  for (let at = 0; at < raw.length; at++) {
    const digits = raw[at] === 0x25 ? raw.toString("latin1", at + 1, at + 3) : "";
    if (/^[0-9a-fA-F]{2}$/.test(digits)) {
      bytes.push(Number.parseInt(digits, 16));
      at += 2;
    } else bytes.push(raw[at]!);
  }
  return Buffer.from(bytes).toString();
}

/** Whether a content-type is gRPC's, with the proto codec. */
export function isGrpcType(type: string | undefined): boolean {
  return type !== undefined && /^application\/grpc(?:\+proto)?(?:;|$)/.test(type);
}

/** Milliseconds of a `grpc-timeout` header; null where there is none or it is not one. */
export function parseGrpcTimeout(value: string | undefined): number | null {
  const match = /^([0-9]{1,8})([HMSmun])$/.exec(value ?? "");
  if (match === null) return null;
  const units: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
  return Number(match[1]) * units[match[2]!]!;
}

/** A deadline as `grpc-timeout`: whole milliseconds, rounded up, in a coarser unit where eight digits do not hold them. */
export function formatGrpcTimeout(timeoutMs: number): string {
  const ms = Math.max(0, Math.ceil(timeoutMs));
  if (ms < 1e8) return `${ms}m`;
  const seconds = Math.ceil(ms / 1000);
  return seconds < 1e8 ? `${seconds}S` : `${Math.min(Math.ceil(seconds / 3600), 99_999_999)}H`;
}

/** The trailers that tell `outcome`. */
export function statusTrailers(outcome: Outcome): Record<string, string> {
  if (outcome === null) return { "grpc-status": "0" };
  const code = "reason" in outcome ? codeOfReason[outcome.reason] : outcome.code;
  const trailers: Record<string, string> = { "grpc-status": String(code) };
  if (outcome.message !== "") trailers["grpc-message"] = encodeGrpcMessage(outcome.message);
  if ("reason" in outcome) trailers[reasonHeader] = outcome.reason;
  return trailers;
}

/**
 * How a call ends whose handler threw `error`. A failure of our own is Internal without its text, which may hold what a
 * peer must not see.
 */
export function outcomeOf(error: unknown): NonNullable<Outcome> {
  return isTransportError(error) ? error : { code: grpcCodes.Internal, message: "internal error" };
}

/** The status that trailers tell; null where they hold none. */
export function readStatus(trailers: IncomingHttpHeaders): CallStatus | null {
  const text = trailers["grpc-status"];
  if (typeof text !== "string") return null;
  const code = parseCode(text);
  const message = trailers["grpc-message"];
  const named = trailers[reasonHeader];
  return {
    code,
    message: typeof message === "string" ? decodeGrpcMessage(message) : "",
    reason: code === grpcCodes.Ok ? null : reasonFor(code, typeof named === "string" ? named : undefined),
    trailers: readMetadata(trailers),
  };
}

/** A status of our own making, for a call that ended without the peer's. */
export function localStatus(code: GrpcCode, message: string, reason: Reason = reasonFor(code, undefined)): CallStatus {
  return { code, message, reason, trailers: {} };
}

const reserved = new Set(["content-type", "te", "user-agent", "date", reasonHeader]);

/** The custom metadata among the headers of a request, a response or of trailers. */
export function readMetadata(headers: IncomingHttpHeaders): Metadata {
  const metadata: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":") || name.startsWith("grpc-") && name !== detailsHeader) continue;
    if (!reserved.has(name)) metadata[name] = value;
  }
  return metadata;
}

/** Carries a google.rpc.Status; of gRPC's own names the one that applications write and read. */
const detailsHeader = "grpc-status-details-bin";
