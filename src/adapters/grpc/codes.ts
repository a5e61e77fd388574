/** The numbers of gRPC's status, and what stands for them where a peer or a proxy says something else. */
import type { Reason } from "../../contract/errors.ts";

/** Status codes of gRPC by name. */
export const grpcCodes = {
  Ok: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;

export type GrpcCode = typeof grpcCodes[keyof typeof grpcCodes];

/**
 * The code of each reason (data-plane 2.3, DECISIONS W-02 … W-05), for every protocol that we speak.
 *
 * A Go connector ends for good on `PermissionDenied`, `InvalidArgument` and `Unimplemented` when it opens a stream
 * (data-plane 6.8), so those stand only for what another attempt cannot mend.
 */
export const codeOfReason = {
  Aborted: grpcCodes.Aborted,
  BadManifest: grpcCodes.InvalidArgument,
  BufferFull: grpcCodes.ResourceExhausted,
  Cycle: grpcCodes.FailedPrecondition,
  DeadlineExceeded: grpcCodes.DeadlineExceeded,
  EnvelopeTooLarge: grpcCodes.FailedPrecondition,
  HubDraining: grpcCodes.Unavailable,
  InvalidBinding: grpcCodes.FailedPrecondition,
  InvalidConfiguration: grpcCodes.FailedPrecondition,
  InvalidGeneration: grpcCodes.FailedPrecondition,
  InvalidMetadata: grpcCodes.InvalidArgument,
  InvalidPacket: grpcCodes.InvalidArgument,
  InvalidRequest: grpcCodes.InvalidArgument,
  InvalidSettings: grpcCodes.FailedPrecondition,
  NotDecided: grpcCodes.FailedPrecondition,
  NotFound: grpcCodes.NotFound,
  NotSupported: grpcCodes.FailedPrecondition,
  PacketTooLarge: grpcCodes.ResourceExhausted,
  PeerFailed: grpcCodes.Unknown,
  PermissionDenied: grpcCodes.PermissionDenied,
  PortInUse: grpcCodes.Unavailable,
  ProtocolVersion: grpcCodes.FailedPrecondition,
  StaleGeneration: grpcCodes.FailedPrecondition,
  // The old connector may ask again and then learns from StaleGeneration that it is the old one.
  Superseded: grpcCodes.Aborted,
  TooManyStreams: grpcCodes.ResourceExhausted,
  Unavailable: grpcCodes.Unavailable,
  UnknownEngram: grpcCodes.FailedPrecondition,
  UnknownStep: grpcCodes.NotFound,
  UnknownStory: grpcCodes.FailedPrecondition,
  UnknownTransport: grpcCodes.FailedPrecondition,
  Usage: grpcCodes.InvalidArgument,
} as const satisfies Record<Reason, GrpcCode>;

/** The reason of a code that came without one. */
const reasonOfCode = {
  0: "PeerFailed",
  1: "Aborted",
  2: "PeerFailed",
  3: "InvalidRequest",
  4: "DeadlineExceeded",
  5: "NotFound",
  6: "PeerFailed",
  7: "PermissionDenied",
  8: "PeerFailed",
  9: "PeerFailed",
  10: "PeerFailed",
  11: "InvalidRequest",
  12: "NotSupported",
  13: "PeerFailed",
  14: "Unavailable",
  15: "PeerFailed",
  16: "PermissionDenied",
} as const satisfies Record<GrpcCode, Reason>;

/** The reason that a peer named, where it is one of ours; else the one that fits its code best. */
export function reasonFor(code: GrpcCode, named: string | undefined): Reason {
  return named !== undefined && Object.hasOwn(codeOfReason, named) ? named as Reason : reasonOfCode[code];
}

/** A number off the wire as a code; `Unknown` where it is none (gRPC over HTTP/2, "Status"). */
export function parseCode(text: string): GrpcCode {
  return /^(?:[0-9]|1[0-6])$/.test(text) ? Number(text) as GrpcCode : grpcCodes.Unknown;
}

/** The code of an HTTP status other than 200 without a gRPC status (grpc: doc/http-grpc-status-mapping.md). */
export function codeOfHttpStatus(status: number): GrpcCode {
  switch (status) {
    case 400:
      return grpcCodes.Internal;
    case 401:
      return grpcCodes.Unauthenticated;
    case 403:
      return grpcCodes.PermissionDenied;
    case 404:
      return grpcCodes.Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return grpcCodes.Unavailable;
    default:
      return grpcCodes.Unknown;
  }
}

/** The code of an HTTP/2 error code in RST_STREAM (gRPC over HTTP/2, "Errors"). */
export function codeOfReset(http2Code: number): GrpcCode {
  switch (http2Code) {
    case 0x7: // REFUSED_STREAM: not processed
      return grpcCodes.Unavailable;
    case 0x8: // CANCEL
      return grpcCodes.Canceled;
    case 0xb: // ENHANCE_YOUR_CALM
      return grpcCodes.ResourceExhausted;
    case 0xc: // INADEQUATE_SECURITY
      return grpcCodes.PermissionDenied;
    default: // also NO_ERROR: a call does not end by a reset alone
      return grpcCodes.Internal;
  }
}
