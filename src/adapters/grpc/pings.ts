/**
 * Who pings too often. A peer measures bandwidth with a ping each time that data reaches it, and keeps a connection
 * alive with one from time to time: both pass. Pings that nothing calls for are strikes, counted as gRPC's own servers
 * count them (control-plane O-33).
 */
import * as http2 from "node:http2";
import { setImmediate } from "node:timers";
import type { Clock } from "../../contract/runtime.ts";

/** Pings without cause at least this far apart pass; a tenth below the 5 s of O-33, since networks bunch packets. */
const leastMs = 4_500;
const mostStrikes = 2;
/** Bytes of an answer to a ping on the wire: a frame's head and what the ping carried. */
const answerBytes = 17;

/** Judges the pings of one connection. */
export class PingStrikes {
  #strikes = 0;
  #lastMs = -Infinity;
  #answers = 0;
  /** Bytes that were written beside answers to pings, at their highest. */
  #written = 0;

  /**
   * Whether one more ping is still fine, at `nowMs`, where `bytesWritten` is what the connection has sent in its life.
   * Anything sent since the ping before, other than answers to pings, takes all strikes back.
   */
  allows(nowMs: number, bytesWritten: number): boolean {
    // answers that wait to be written make this lower, never higher
    const written = bytesWritten - this.#answers * answerBytes;
    const isCalledFor = written > this.#written;
    this.#written = Math.max(this.#written, written);
    if (isCalledFor) this.#strikes = 0;
    else if (nowMs - this.#lastMs < leastMs) this.#strikes++;
    this.#lastMs = nowMs;
    this.#answers++;
    return this.#strikes <= mostStrikes;
  }
}

/** Ends the connection with `ENHANCE_YOUR_CALM`, `too_many_pings`, and calls `refused`, once its peer pings too often. */
export function refusePingFloods(session: http2.ServerHttp2Session, clock: Clock, refused: () => void): void {
  const strikes = new PingStrikes();
  session.on("ping", () => {
    if (session.destroyed || strikes.allows(clock.monotonicMs(), session.socket.bytesWritten)) return;
    refused();
    session.removeAllListeners("ping");
    session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 0x7fffffff, new TextEncoder().encode("too_many_pings"));
    // the frame above is written at the end of this turn
    setImmediate(() => session.destroy());
  });
}
