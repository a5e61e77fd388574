/** Baseline: HubService.Process as connect-node serves it, every packet decoded and encoded again. */
import * as http2 from "node:http2";
import { create } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  HubService,
  type ProcessRequest,
  type ProcessResponse,
  ProcessResponseSchema,
} from "../../gen/transport/v1/hub_pb.ts";
import { requestHeaders } from "../../src/contract/names.ts";
import { sessionWindowBytes, steps, streamWindowBytes } from "../pair.ts";
import { announce } from "./announce.ts";

/** Messages that wait for a consumer before its producer is held. */
const maxWaiting = 100;

/** What waits for one consumer. */
class Mailbox {
  readonly #waiting: ProcessResponse[] = [];
  #wake: (() => void) | null = null;
  #isTaken: (() => void) | null = null;

  /** Settles when there is room again. */
  put(response: ProcessResponse): Promise<void> | undefined {
    this.#waiting.push(response);
    this.#wake?.();
    if (this.#waiting.length < maxWaiting) return undefined;
    return new Promise((resolve) => this.#isTaken = resolve);
  }

  async *take(): AsyncGenerator<ProcessResponse> {
    for (;;) {
      for (const response of this.#waiting.splice(0)) yield response;
      this.#isTaken?.();
      if (this.#waiting.length === 0) await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

const mailboxes = new Map<string, Mailbox>();

async function* relay(requests: AsyncIterable<ProcessRequest>, run: string, step: string) {
  if (step === steps.consumer) {
    const mailbox = new Mailbox();
    mailboxes.set(run, mailbox);
    yield* mailbox.take();
    return;
  }
  for await (const request of requests) {
    const full = mailboxes.get(run)!.put(create(ProcessResponseSchema, { packet: request.packet }));
    if (full !== undefined) await full;
  }
}

const handler = connectNodeAdapter({
  acceptCompression: [],
  routes: (router) =>
    void router.service(HubService, {
      process(requests, context) {
        const header = (name: string) => context.requestHeader.get(name) ?? "";
        return relay(requests, header(requestHeaders.storyRun), header(requestHeaders.step));
      },
    }),
});
const server = http2.createServer({ settings: { initialWindowSize: streamWindowBytes } }, handler);
server.on("session", (session) => session.setLocalWindowSize(sessionWindowBytes));
server.listen(0, "127.0.0.1", () => announce(server));
