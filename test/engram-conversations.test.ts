/**
 * Recorded conversations of an unmodified Go SDK engram with its connector, played again: the connector's part as it
 * was, and the library in the place of the SDK (test/vectors/conversations).
 */
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { ControlRequestSchema, DataRequestSchema, DataResponseSchema } from "../gen/transport/v1/transport_pb.ts";
import { systemClock } from "../src/adapters/clock.ts";
import { grpcCodes } from "../src/adapters/grpc/codes.ts";
import { envelopeMimeType } from "../src/contract/names.ts";
import type { JsonObject } from "../src/contract/resources.ts";
import { silentLog } from "../src/contract/runtime.ts";
import { decodePacket } from "../src/engram/decode.ts";
import { type Engram, serveEngram } from "../src/engram/mod.ts";
import { within } from "./support/deadline.ts";
import { ScriptedConnector } from "./support/scripted-connector.ts";

interface Entry {
  readonly dir?: "peer->connector" | "connector->peer";
  readonly rpc?: "Data" | "Control";
  readonly stream?: number;
  readonly message?: string;
  readonly event?: string;
  /** As Go writes it: `OK`, `Unavailable`. */
  readonly status?: string;
  readonly base64?: string;
  readonly decoded?: JsonObject;
}

interface Conversation {
  readonly env: Readonly<Record<string, string>>;
  readonly messages: readonly Entry[];
}

const it = suite("recorded conversations");

async function read(name: string): Promise<Conversation> {
  const file = new URL(`./vectors/conversations/${name}.json`, import.meta.url);
  return JSON.parse(await readFile(file, "utf8")) as Conversation;
}

const echo: Engram = {
  async *stream(packets) {
    for await (const packet of packets) yield packet;
  },
};

const isHeartbeat = ({ metadata }: { readonly metadata: Readonly<Record<string, string>> }) =>
  metadata["bubu-heartbeat"] === "true";

/** A frame's envelope as JSON, so that the order of its members does not count. */
function readable(message: JsonObject): JsonObject {
  const binary = message["binary"] as Record<string, string> | undefined;
  if (binary?.["mime_type"] !== envelopeMimeType) return message;
  const payload = JSON.parse(Buffer.from(binary["payload"]!, "base64").toString());
  return { ...message, binary: { ...binary, payload } };
}

/**
 * Plays the connector's part of a conversation to an engram; answers what the engram said, and what it had said in the
 * recording.
 */
async function play(name: string, engram: Engram) {
  const { messages, env } = await read(name);
  const stop = new AbortController();
  await using connector = await ScriptedConnector.listen();
  connector.greets = false;
  const running = serveEngram(engram, {
    env: connector.env({ BUBU_GRPC_RECONNECT_BASE_BACKOFF: "10ms", ...env }),
    clock: systemClock,
    log: silentLog,
    signal: stop.signal,
    random: () => 0.5,
  }).then(() => null, (error: unknown) => error);
  const heard = () => ({
    data: connector.data.flatMap((each) => each.heard).filter((each) => !isHeartbeat(each)),
    control: connector.control.flatMap((each) => each.heard),
  });
  const recorded: { data: JsonObject[]; control: JsonObject[] } = { data: [], control: [] };
  // streams of the recording have one numbering, in which Data and Control come in any order
  const streams = { Data: [] as number[], Control: [] as number[] };
  const everything = (what: string) =>
    connector.until(what, () => {
      const { data, control } = heard();
      return data.length >= recorded.data.length && control.length >= recorded.control.length;
    });
  try {
    for (const { dir, rpc, stream = 0, message, event, status, base64, decoded } of messages) {
      if (rpc !== undefined && event === "open") streams[rpc].push(stream);
      if (dir === "peer->connector" && decoded !== undefined && rpc !== undefined) {
        recorded[rpc === "Data" ? "data" : "control"].push(decoded);
      }
      if (dir !== "connector->peer" || rpc === undefined) continue;
      await everything(`what was said before ${message ?? event}`);
      const index = streams[rpc].indexOf(stream);
      const list = rpc === "Data" ? connector.data : connector.control;
      const to = await connector.until(`stream ${index} of ${rpc}`, () => list[index]);
      if (message !== undefined) to.say(Buffer.from(base64 ?? "", "base64"));
      else if (status === "OK") to.end(null);
      else if (event === "end") to.end({ code: grpcCodes[status as keyof typeof grpcCodes], message: "" });
    }
    await everything("the end");
  } finally {
    stop.abort();
    await within(5_000, "the engram ends", running);
  }
  const { data, control } = heard();
  return {
    data: data.map((each) => readable(toJson(DataRequestSchema, each, { useProtoFieldName: true }) as JsonObject)),
    control: control.map((each) => toJson(ControlRequestSchema, each, { useProtoFieldName: true }) as JsonObject),
    recorded: { data: recorded.data.map(readable), control: recorded.control },
  };
}

const text = (all: readonly JsonObject[]) => all.map((each) => JSON.stringify(sorted(each))).sort();

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort().map(([name, each]) => [name, sorted(each)]));
}

for (const name of ["echo", "required", "capabilities-first", "chunks", "burst", "reconnect", "minimal"]) {
  it(`${name}: the library answers as the SDK did`, async () => {
    const { data, control, recorded } = await play(name, echo);
    assert.equal(data.map(sorted), recorded.data.map(sorted));
    // receipts are not in order, and overtake acks
    assert.equal(text(control), text(recorded.control));
  });
}

for (const name of ["source-json", "source-audio", "source-video", "source-binary"]) {
  it(`${name}: the same packets take the same form on the wire`, async () => {
    const { messages } = await read(name);
    const sent = messages.filter(({ message }) => message === "DataRequest").map(({ decoded }) =>
      decodePacket(fromJson(DataResponseSchema, decoded as Parameters<typeof fromJson>[1]))!
    );
    assert.ok(sent.length > 0);
    const { data, recorded } = await play(name, {
      async *stream() {
        yield* sent;
      },
    });
    assert.equal(data.map(sorted), recorded.data.map(sorted));
  });
}

it.run();
