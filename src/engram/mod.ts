/**
 * The door of the engram library: a step's program in TypeScript, on Node and on Deno, that speaks to its connector as
 * the SDKs do (`TransportConnectorService`, data-plane 6.10).
 *
 *     import { runEngram } from "bobravoz/engram";
 *
 *     await runEngram({
 *       async *stream(packets) {
 *         for await (const { payload } of packets) yield { payload: { heard: payload ?? null } };
 *       },
 *     });
 *
 * This room knows the engram's side of that service. It refuses to know hubs, discovery and topology: the connector
 * has them.
 */
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { systemClock } from "../adapters/clock.ts";
import { createLog } from "../adapters/log.ts";
import { isTransportError } from "../contract/errors.ts";
import { endText, type Engram, serveEngram } from "./serve.ts";

export type { Binding, Environment } from "./config.ts";
export type { AudioFrame, BinaryFrame, OutgoingPacket, Packet, Position, VideoFrame } from "./packet.ts";
export { type Engram, type EngramContext, type PacketEngram, serveEngram, type StreamEngram } from "./serve.ts";
export type { JsonObject, JsonValue } from "../contract/resources.ts";

/**
 * The whole life of a program that is an engram, configured by its environment. Ends the process: with 0 when the
 * engram's loop has ended and everything that it sent was taken, with 1 after a failure, which it names on standard
 * error, and with 1 at SIGTERM or SIGINT, as the Go SDK does.
 */
export async function runEngram(engram: Engram): Promise<never> {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());
  const log = createLog({ level: process.env["BUBU_DEBUG"] ? "debug" : "warn" });
  // timers of the clock do not keep a process, and between two sessions there is no connection
  const alive = setInterval(() => {}, 1 << 30);
  try {
    await serveEngram(engram, {
      env: process.env,
      clock: systemClock,
      log,
      signal: stop.signal,
      random: Math.random,
    });
    process.exit(0);
  } catch (error) {
    if (!(stop.signal.aborted && isTransportError(error, "Aborted"))) process.stderr.write(`${endText(error)}\n`);
    process.exit(1);
  } finally {
    clearInterval(alive);
  }
}
