/** What the API server answers when it refuses, and which reason of ours that is. */
import { type Reason, TransportError } from "../../../contract/errors.ts";

/** The cause of a `TransportError` from the API: HTTP status (0: no answer), its reason word, and how long to wait. */
export class KubeFault extends Error {
  override readonly name = "KubeFault";
  /** HTTP status; 0 where no answer came. */
  readonly status: number;
  /** For example `AlreadyExists`, `Conflict`, `Expired`; empty where the server said none. */
  readonly reason: string;
  /** What `retry-after` asked for; 0 where it asked for nothing. */
  readonly retryAfterMs: number;

  constructor(status: number, reason: string, message: string, retryAfterMs = 0) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

const byStatus: Readonly<Record<number, Reason>> = {
  400: "InvalidRequest",
  401: "PermissionDenied",
  403: "PermissionDenied",
  404: "NotFound",
  405: "InvalidRequest",
  413: "InvalidRequest",
  415: "InvalidRequest",
  422: "InvalidRequest",
};

/** The error that callers see; 409, 410, 429, 5xx and a lost connection are all `Unavailable`: try again. */
export function errorOf(method: string, path: string, fault: KubeFault): TransportError {
  const what = `${method} ${path.replace(/\?.*/, "")}`;
  const status = fault.status === 0 ? "" : `${fault.status} `;
  return new TransportError(byStatus[fault.status] ?? "Unavailable", `${what}: ${status}${fault.message}`, {}, {
    cause: fault,
  });
}

/** The `KubeFault` behind an error of the API; null for any other. */
export function faultOf(error: unknown): KubeFault | null {
  return error instanceof TransportError && error.cause instanceof KubeFault ? error.cause : null;
}

/** True where the API server answered with this status, and this reason word if one is given. */
export function isKubeFault(error: unknown, status: number, reason?: string): boolean {
  const fault = faultOf(error);
  return fault !== null && fault.status === status && (reason === undefined || fault.reason === reason);
}

/** `retry-after` in seconds or as a date. */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined || header === "") return 0;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}
