/** What the shared suite asks of a client of HubService.Process, whichever library it is. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DataPacket, ProcessRequestSchema, ProcessResponse } from "../../gen/transport/v1/hub_pb.ts";
import type { TlsFiles } from "../../src/adapters/grpc/options.ts";
import { protocolVersion, requestHeaders } from "../../src/contract/names.ts";
import { within } from "../support/deadline.ts";

export type RequestInit = MessageInitShape<typeof ProcessRequestSchema>;

/** How a call ended: gRPC code, message and the reason beside it. */
export interface CallStatus {
  readonly code: number;
  readonly message: string;
  readonly reason: string | null;
}

/** One Process call. It reads from the connection only what `read` asks for, and a little ahead. */
export interface Call {
  /** Settles when the library asks for more to send, also where the call is over. */
  send(request: RequestInit): Promise<void>;
  endSending(): void;
  /** Gives the call up. Idempotent, also after its end. */
  cancel(): void;
  /** The next response, or how the call ended. */
  read(): Promise<ProcessResponse | CallStatus>;
}

export interface ProcessClient {
  call(headers: Readonly<Record<string, string>>, timeoutMs?: number): Call;
  close(): void;
}

/** A way to make clients: for a cleartext address, or with a client's certificate. */
export interface ClientKind {
  readonly name: string;
  connect(address: string, tls: TlsFiles | null): ProcessClient;
}

/** Request metadata of a step of `demo/run`; a change to undefined leaves a header out. */
export function identity(
  step: string,
  generation: number | string = 1,
  changes: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> {
  const headers: Record<string, string | undefined> = {
    [requestHeaders.protocol]: protocolVersion,
    [requestHeaders.storyRun]: "run",
    [requestHeaders.namespace]: "demo",
    [requestHeaders.step]: step,
    [requestHeaders.generation]: String(generation),
    [requestHeaders.capabilities]: "none",
    ...changes,
  };
  return Object.fromEntries(Object.entries(headers).filter((each): each is [string, string] => each[1] !== undefined));
}

/** The next response; fails where the call ended instead. */
export async function next(call: Call): Promise<ProcessResponse> {
  const got = await within(5_000, "a response", call.read());
  if ("code" in got) throw new Error(`the call ended: ${got.code} ${got.message}`);
  return got;
}

/** The ids of the next `count` packets, heartbeats passed over. */
export async function ids(call: Call, count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const { packet } = await next(call);
    if (!isHeartbeat(packet)) found.push(packet?.metadata["id"] ?? "(no id)");
  }
  return found;
}

/** Whether it is what every stream gets now and then (data-plane 2.6). */
export function isHeartbeat(packet: DataPacket | undefined): boolean {
  return packet?.metadata["bubu-heartbeat"] === "true";
}

/** How the call ends; responses before that are passed over. */
export async function ended(call: Call): Promise<CallStatus> {
  for (;;) {
    const got = await within(5_000, "the end of the call", call.read());
    if ("code" in got) return got;
  }
}

/** A small packet with an id. */
export function packet(id: string): RequestInit {
  return { packet: { metadata: { id }, payload: { n: 1 } } };
}

/** A packet whose binary frame has `bytes` bytes, each of them `fill`. */
export function large(id: string, bytes: number, fill = 7): RequestInit {
  const payload = new Uint8Array(bytes).fill(fill);
  return { packet: { metadata: { id }, frame: { case: "binary", value: { payload, mimeType: "a/b" } } } };
}
