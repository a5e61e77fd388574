/** Reason → exit code, the one table of the command line. */
import { isTransportError, type Reason } from "../contract/errors.ts";

/** Every exit code with what it means, as `bobravoz help` prints them. */
export const exitCodeMeanings = {
  0: "done",
  1: "failed",
  2: "the command line or the environment is not understood",
  3: "a manifest, Story, setting or packet is refused",
  4: "no such run, step or file",
  5: "not available at the moment; another attempt may succeed",
  6: "permission denied",
  130: "interrupted",
} as const;

export type ExitCode = keyof typeof exitCodeMeanings;

export const exitCodes = {
  Aborted: 130,
  BadManifest: 3,
  BufferFull: 5,
  Cycle: 3,
  DeadlineExceeded: 5,
  EnvelopeTooLarge: 3,
  HubDraining: 5,
  InvalidBinding: 3,
  InvalidConfiguration: 2,
  InvalidGeneration: 2,
  InvalidMetadata: 3,
  InvalidPacket: 3,
  InvalidRequest: 3,
  InvalidSettings: 3,
  NotDecided: 5,
  NotFound: 4,
  NotSupported: 3,
  PacketTooLarge: 3,
  PeerFailed: 1,
  PermissionDenied: 6,
  PortInUse: 5,
  ProtocolVersion: 3,
  StaleGeneration: 1,
  Superseded: 1,
  TooManyStreams: 5,
  Unavailable: 5,
  UnknownEngram: 3,
  UnknownStep: 4,
  UnknownStory: 3,
  UnknownTransport: 3,
  Usage: 2,
} as const satisfies Record<Reason, ExitCode>;

/** The exit code for whatever was thrown; 1 for what has no reason. */
export function exitCodeOf(error: unknown): ExitCode {
  return isTransportError(error) ? exitCodes[error.reason] : 1;
}
