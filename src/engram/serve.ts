/** An engram between its connector's streams: packets in, what it makes of them out, from its start to its end. */
import { isTransportError, TransportError } from "../contract/errors.ts";
import type { JsonObject } from "../contract/resources.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import { type Binding, type EngramConfig, type Environment, readEngramConfig } from "./config.ts";
import { Connection } from "./connection.ts";
import { encodePacket } from "./encode.ts";
import { Inbox } from "./inbox.ts";
import { Outbox } from "./outbox.ts";
import type { OutgoingPacket, Packet } from "./packet.ts";
import { Receipts } from "./receipts.ts";
import { Receiver } from "./receiver.ts";

/** What an engram knows of its place. */
export interface EngramContext {
  readonly binding: Binding;
  /** Variables, with the overrides of the binding's settings applied. */
  readonly env: Environment;
  /** The step's `with`. */
  readonly config: JsonObject;
  /** Fires at SIGTERM: then no more packets come, and what is under way may still be sent. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Sends a packet; settles once there is room for the next. Rejects for a packet that is not valid. */
  send(packet: OutgoingPacket): Promise<void>;
}

/** An engram as one loop over its packets: what it yields is sent. Its end is the end of the program. */
export interface StreamEngram {
  stream(packets: AsyncIterable<Packet>, context: EngramContext): AsyncIterable<OutgoingPacket>;
}

/** An engram as a handler: one packet after the other, until the program is stopped. */
export interface PacketEngram {
  onPacket(packet: Packet, send: EngramContext["send"], context: EngramContext): Promise<void> | void;
}

export type Engram = StreamEngram | PacketEngram;

export interface ServeOptions {
  readonly env: Environment;
  readonly clock: Clock;
  readonly log: Log;
  /** Fires when the engram is to stop. */
  readonly signal: AbortSignal;
  /** Numbers in [0, 1), for jitter. */
  readonly random: () => number;
}

/**
 * Runs an engram until its loop ends, and what it sent is with the connector. Rejects with what the engram threw, with
 * `Aborted` once `signal` has fired, or with why no session can be had.
 */
export async function serveEngram(engram: Engram, options: ServeOptions): Promise<void> {
  const { clock, log, signal } = options;
  signal.throwIfAborted();
  const config = readEngramConfig(options.env);
  const inbox = new Inbox(config.bufferSize);
  const receipts = new Receipts();
  const outbox = new Outbox();
  const receiver = new Receiver(inbox, receipts, clock);
  const connection = new Connection({ config, clock, log, receiver, receipts, outbox, random: options.random });
  inbox.onRoom = () => connection.resume();
  const send = async (packet: OutgoingPacket) => await outbox.send(encodePacket(packet, config.maxSendBytes));
  const context = contextOf(config, options, send);
  const stopping = whenStopped(signal, clock, config.gracefulMs, () => inbox.end());
  const keeping = connection.keep();
  keeping.catch(() => {});
  try {
    const work = async () => {
      await Promise.race([connection.ready, stopping.now]);
      if (signal.aborted) return;
      if ("stream" in engram) {
        for await (const packet of engram.stream(inbox.packets, context)) await send(packet);
      } else {
        for await (const packet of inbox.packets) await engram.onPacket(packet, send, context);
      }
      inbox.finish();
    };
    const working = work();
    // where another one fails first, nobody waits for it any more
    working.catch(() => {});
    await Promise.race([working, keeping, stopping.late]);
  } finally {
    stopping.release();
    inbox.end();
    await connection.finish(config.gracefulMs);
  }
  if (signal.aborted) throw aborted();
}

function contextOf(config: EngramConfig, { log, signal }: ServeOptions, send: EngramContext["send"]): EngramContext {
  const { binding, env, stepConfig } = config;
  return { binding, env, config: stepConfig, signal, log, send };
}

/** `now` settles when the engram is to stop, `late` rejects where it then takes longer than `limitMs`. */
function whenStopped(signal: AbortSignal, clock: Clock, limitMs: number, stop: () => void) {
  const now = Promise.withResolvers<void>();
  const late = Promise.withResolvers<never>();
  const abort = () => {
    stop();
    now.resolve();
    clock.after(limitMs, () => late.reject(aborted()));
  };
  signal.addEventListener("abort", abort, { once: true });
  return {
    now: now.promise,
    late: late.promise,
    release: () => signal.removeEventListener("abort", abort),
  };
}

function aborted(): TransportError {
  return new TransportError("Aborted", "the engram was stopped");
}

/** The line that tells why an engram ended. */
export function endText(error: unknown): string {
  if (isTransportError(error)) return `${error.reason}: ${error.message}`;
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
