/** The cases of `micro.ts`: a packet's stations, each alone, then all of them without sockets. */
import { FrameReader } from "../src/adapters/http/frame-reader.ts";
import { FrameWriter } from "../src/adapters/http/frame-writer.ts";
import { systemClock } from "../src/adapters/clock.ts";
import { readHubConfig } from "../src/contract/hub-config.ts";
import { silentLog } from "../src/contract/runtime.ts";
import type { Packet } from "../src/delivery/packet.ts";
import { buildPacket } from "../src/delivery/build-packet.ts";
import { Hub } from "../src/hub/hub.ts";
import { normalizeRequest } from "../src/hub/normalize.ts";
import type { PlanSource } from "../src/hub/plans.ts";
import type { StreamPort } from "../src/hub/port.ts";
import { RequestScan, scanRequest } from "../src/delivery/scan.ts";
import type { DeliveryPlan, RunPlan } from "../src/routing/plan.ts";
import type { MicroCase } from "./micro.ts";
import { buildSample } from "./packets.ts";
import { namespace, runName, steps } from "./pair.ts";

const maxBytes = 10_485_760;
/** What node:http2 hands over at once, about. */
const chunkBytes = 64 * 1024;

export const microCases: readonly MicroCase[] = [
  ...[381, 837, 65536].map(scanCase),
  ...[381, 837].map(readCase),
  ...[381, 837, 65536].map(writeCase),
  ...[381, 837].map(pathCase),
];

function scanCase(packetBytes: number): MicroCase {
  return {
    name: `scan ${packetBytes}`,
    prepare() {
      const { frame } = buildSample(packetBytes);
      const scan = new RequestScan();
      const run = () => scanRequest(frame, 5, frame.length, scan);
      if (run() !== null || scan.unusual) throw new Error("the sample is not a usual packet");
      return { perCall: 1, run };
    },
  };
}

function readCase(packetBytes: number): MicroCase {
  return {
    name: `frame reader ${packetBytes}`,
    prepare() {
      const { chunk, messages } = chunkOf(packetBytes);
      let taken = 0;
      const sink = { message: () => ++taken > 0, messageParts: () => true, fault: () => {} };
      const reader = new FrameReader(sink, maxBytes, 4096);
      return { perCall: messages, run: () => reader.read(chunk) };
    },
  };
}

function writeCase(packetBytes: number): MicroCase {
  return {
    name: `frame writer ${packetBytes}`,
    prepare() {
      const { frame } = buildSample(packetBytes);
      const scan = new RequestScan();
      scanRequest(frame, 5, frame.length, scan);
      const packet = buildPacket(frame, scan, false, null);
      const suffix = new Uint8Array(120);
      const writer = new FrameWriter();
      const messages = Math.ceil(chunkBytes / frame.length);
      const run = () => {
        for (let i = 0; i < messages; i++) writer.add(packet, suffix);
        return writer.flush(discard);
      };
      return { perCall: messages, run };
    },
  };
}

/** From a chunk of the producer's connection to the write on the consumer's: all that our code does per packet. */
function pathCase(packetBytes: number): MicroCase {
  return {
    name: `path ${packetBytes}`,
    prepare() {
      const { chunk, messages } = chunkOf(packetBytes);
      const { config } = readHubConfig(() => undefined);
      const limits = { ...config, maxBufferedBytes: 1 << 30 };
      const hub = new Hub({ plans, clock: systemClock, log: silentLog, normalize: normalizeRequest, limits });
      const open = (step: string) => {
        const registration = { namespace, storyRun: runName(0), step, generation: 1, capabilities: "none" as const };
        return hub.open(registration, new DiscardPort());
      };
      open(steps.consumer);
      const session = open(steps.producer);
      const sink = {
        message: (bytes: Uint8Array, start: number, end: number) => session.receive(bytes, start, end),
        messageParts: (parts: readonly Uint8Array[], length: number) => session.receiveParts(parts, length),
        fault: () => {},
      };
      const reader = new FrameReader(sink, maxBytes, 4096);
      const run = () => {
        session.startChunk();
        reader.read(chunk);
        session.endOfChunk();
        return hub.edges(namespace, runName(0));
      };
      run();
      if (run()[0]?.delivered !== 2 * messages) throw new Error("not every packet was delivered");
      return { perCall: messages, run };
    },
  };
}

function chunkOf(packetBytes: number): { readonly chunk: Buffer; readonly messages: number } {
  const { frame } = buildSample(packetBytes);
  const messages = Math.ceil(chunkBytes / frame.length);
  return { chunk: Buffer.concat(Array<Buffer>(messages).fill(frame)), messages };
}

const discard = { write: () => true, cork: () => {}, uncork: () => {} };

class DiscardPort implements StreamPort {
  readonly writable = true;
  readonly #writer = new FrameWriter();

  write(packet: Packet, suffix: Uint8Array): void {
    this.#writer.add(packet, suffix);
  }

  writeEncoded(response: Uint8Array): void {
    this.#writer.addEncoded(response);
  }

  flush(): void {
    this.#writer.flush(discard);
  }

  resume(): void {}

  end(): void {}
}

const buffer = { maxMessages: 1000, maxBytes };
const lane = { maxMessages: 100, maxBytes: 1_048_576 };
/** The defaults, without credits. */
const delivery: DeliveryPlan = {
  buffer,
  maxAgeMs: 0,
  dropPolicy: null,
  lanes: { audio: lane, video: lane, binary: lane, payload: lane },
  credits: null,
};
const plan: RunPlan = {
  namespace,
  storyRun: runName(0),
  story: "bench",
  storyGeneration: 1,
  refusal: null,
  steps: new Map([
    [steps.producer, {
      step: steps.producer,
      targets: [{ step: steps.consumer, mode: "hub", inputs: null }],
      delivery,
    }],
    [steps.consumer, { step: steps.consumer, targets: [], delivery }],
  ]),
};
const plans: PlanSource = { plan: () => plan, subscribe: () => () => {} };
