/**
 * HubService.Process for the Connect and gRPC-Web protocols, for compressed gRPC, and for JSON: the same sessions as
 * the fast path, with messages that the Connect adapter decoded.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import {
  HubService,
  type ProcessRequest,
  ProcessRequestSchema,
  type ProcessResponse,
  ProcessResponseSchema,
} from "../../../gen/transport/v1/hub_pb.ts";
import { TransportError } from "../../contract/errors.ts";
import { field, join } from "../../delivery/encode.ts";
import type { Packet } from "../../delivery/packet.ts";
import type { Hub } from "../../hub/hub.ts";
import type { StreamPort } from "../../hub/port.ts";
import { parseRegistration } from "../../hub/registration.ts";
import type { Session } from "../../hub/session.ts";
import { callerSession } from "../identity/caller.ts";
import type { IdentityGate } from "../identity/gate.ts";
import { toConnectError } from "./status.ts";

/** Responses that may wait for the adapter to write them. */
const maxWaiting = 64;

/** Adds the service; `identity` says who may open a stream, null: everybody. */
export function addHub(router: ConnectRouter, hub: Hub, identity: IdentityGate | null = null): void {
  router.service(HubService, { process: (requests, context) => process(requests, context, hub, identity) });
}

async function* process(
  requests: AsyncIterable<ProcessRequest>,
  context: HandlerContext,
  hub: Hub,
  identity: IdentityGate | null,
): AsyncGenerator<ProcessResponse> {
  const port = new QueuePort();
  let session: Session;
  try {
    const { requestHeader, values } = context;
    const registration = parseRegistration((name) => requestHeader.get(name) ?? undefined);
    const claim = { action: "stream", ...registration } as const;
    await identity?.check(claim, values.get(callerSession), requestHeader.get("authorization"));
    context.signal.throwIfAborted();
    session = hub.open(registration, port);
  } catch (error) {
    throw toConnectError(error);
  }
  port.session = session;
  const aborted = () => hub.close(session, null);
  context.signal.addEventListener("abort", aborted);
  // ends with the request stream, which the peer may leave open after the response is complete: nobody waits for it
  void receiveAll(requests, session, port);
  try {
    session.writable();
    yield* port.responses();
    if (port.error !== null) throw toConnectError(port.error);
  } finally {
    context.signal.removeEventListener("abort", aborted);
    hub.close(session, null);
  }
}

async function receiveAll(requests: AsyncIterable<ProcessRequest>, session: Session, port: QueuePort): Promise<void> {
  try {
    for await (const request of requests) {
      const bytes = toBinary(ProcessRequestSchema, request);
      session.startChunk();
      const goesOn = session.receive(bytes, 0, bytes.length);
      session.endOfChunk();
      if (!goesOn) await port.resumed();
      if (session.isOver) return;
    }
    session.halfClosed();
  } catch (error) {
    session.end(requestFault(error));
  }
}

/** Why a request stream broke, in our reasons; null where the peer has left, and the response side ends with it. */
function requestFault(error: unknown): TransportError | null {
  const { code, rawMessage } = ConnectError.from(error);
  // Connect calls bytes that are not protobuf an internal error, which it marks by this text alone
  const isGarbage = code === Code.Internal && rawMessage.startsWith("parse binary: ");
  if (code === Code.InvalidArgument || isGarbage) {
    return new TransportError("InvalidPacket", `transport process request invalid: ${rawMessage}`);
  }
  return code === Code.ResourceExhausted ? new TransportError("PacketTooLarge", rawMessage) : null;
}

class QueuePort implements StreamPort {
  session: Session | null = null;
  error: TransportError | null = null;
  readonly #waiting: Uint8Array[] = [];
  #isEnded = false;
  #wake: (() => void) | null = null;
  #resume: (() => void) | null = null;
  #isResumed = false;

  get writable(): boolean {
    return !this.#isEnded && this.#waiting.length < maxWaiting;
  }

  write(packet: Packet, suffix: Uint8Array): void {
    const parts = packet.parts ?? [packet.buffer.subarray(packet.start, packet.end)];
    const body = join([...parts, suffix]);
    this.#waiting.push(field(1, body));
  }

  writeEncoded(response: Uint8Array): void {
    if (this.writable) this.#waiting.push(response);
  }

  flush(): void {
    this.#wake?.();
  }

  resume(): void {
    this.#isResumed = true;
    this.#resume?.();
  }

  end(error: TransportError | null): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.error = error;
    this.#wake?.();
    this.#resume?.();
  }

  /** Settles when reading may go on, or at once where the session is over. */
  async resumed(): Promise<void> {
    if (!this.#isEnded && !this.#isResumed) await new Promise<void>((resolve) => this.#resume = resolve);
    this.#resume = null;
    this.#isResumed = false;
  }

  async *responses(): AsyncGenerator<ProcessResponse> {
    for (;;) {
      while (this.#waiting.length > 0) {
        const response = this.#waiting.shift()!;
        yield fromBinary(ProcessResponseSchema, response);
      }
      if (this.#isEnded) return;
      this.session?.writable();
      if (this.#waiting.length > 0) continue;
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = null;
    }
  }
}
