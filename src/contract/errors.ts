/**
 * The one error class and its closed table of reasons.
 * Callers branch on `reason`, never on message text; borders translate a reason once
 * (to an RPC code in `adapters/rpc/status.ts`, to an exit code in `bin`).
 */

/** Every reason for which an operation of this project fails, with what it means. */
export const reasons = {
  Aborted: "the caller gave up or the process is stopping",
  BadManifest: "a manifest does not parse or misses a field",
  BufferFull: "a buffer is at its limit in messages or bytes",
  Cycle: "steps need each other in a circle",
  DeadlineExceeded: "the caller's deadline has passed",
  EnvelopeTooLarge: "the binding's settings do not fit into an environment variable",
  HubDraining: "the hub is stopping and takes no new streams",
  InvalidBinding: "BUBU_TRANSPORT_BINDING or a binding is not valid",
  InvalidConfiguration: "an environment variable, flag or configuration key is not valid",
  InvalidGeneration: "connector-generation is missing or not a positive int32",
  InvalidMetadata: "request metadata that names the step is missing or not valid",
  InvalidPacket: "a packet breaks the wire's limits or is not protobuf",
  InvalidRequest: "a request misses a field or has one that is not valid",
  InvalidSettings: "transport settings do not parse or are out of range",
  NotDecided: "the binding is known and not decidable yet",
  NotFound: "no such object",
  NotSupported: "the running version cannot do what a Story asks for",
  PacketTooLarge: "a packet is over the message limit",
  PeerFailed: "a peer ended a call with a failure that it gives no reason of ours for",
  PermissionDenied: "the caller's identity does not own what it asks for",
  PortInUse: "the address to listen on is taken",
  ProtocolVersion: "bubu-transport-protocol is missing or not the one spoken here",
  StaleGeneration: "a connector of a higher generation is active for this step",
  Superseded: "another connection of the same step took over",
  TooManyStreams: "the hub is at its limit of active streams",
  Unavailable: "what is needed to answer is not there at the moment",
  UnknownEngram: "a step refers to an Engram that does not exist",
  UnknownStep: "a step name that the Story does not have",
  UnknownStory: "a StoryRun refers to a Story that does not exist",
  UnknownTransport: "a Story refers to a Transport that does not exist",
  Usage: "the command line is not understood",
} as const;

export type Reason = keyof typeof reasons;

/** What an error is about; every field is a name that the user wrote. */
export interface Subject {
  readonly namespace?: string;
  readonly storyRun?: string;
  readonly story?: string;
  readonly step?: string;
  readonly binding?: string;
  readonly path?: string;
}

/** Thrown for everything that a user or peer can cause. A broken invariant of ours throws a plain `Error`. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly reason: Reason;
  readonly subject: Subject;

  constructor(reason: Reason, message: string, subject: Subject = {}, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
    this.subject = subject;
  }
}

/** True where `error` is a `TransportError`, of the given reason if one is given. */
export function isTransportError(error: unknown, reason?: Reason): error is TransportError {
  return error instanceof TransportError && (reason === undefined || error.reason === reason);
}
