/** gRPC's status in trailers: numbers and the encoding of messages (gRPC over HTTP/2, "Responses"). */

/** Percent-encodes what `grpc-message` may not carry as it is. */
export function encodeGrpcMessage(text: string): string {
  return encodeURIComponent(text).replaceAll(/%(?:2[0-46-9A-F]|3[A-F]|40|5[B-F]|60|7[B-E])/g, decodeURIComponent);
}

/** Milliseconds of a `grpc-timeout` header; null where there is none or it is not one. */
export function parseGrpcTimeout(value: string | undefined): number | null {
  const match = /^([0-9]{1,8})([HMSmun])$/.exec(value ?? "");
  if (match === null) return null;
  const units: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
  return Number(match[1]) * units[match[2]!]!;
}
