// `node test/conformance/client.ts WAY`: a client for the suite. WAY is one of
//
//   own       our own framing, as connectors call
//   connect   connect-node, the baseline

import process from "node:process";
import { create } from "@bufbuild/protobuf";
import { callConnect } from "./client-connect.ts";
import { callOwn } from "./client-own.ts";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
  ClientErrorResultSchema,
  type ClientResponseResult,
} from "./gen/connectrpc/conformance/v1/conformance_pb.ts";
import { readMessages, writeMessage } from "./stdio.ts";

/** Calls at a time; most of a slow one's time is a delay that the suite asks for. */
const maxCalls = 16;

const ways: Readonly<Record<string, (request: ClientCompatRequest) => Promise<ClientResponseResult>>> = {
  own: callOwn,
  connect: callConnect,
};

const call = ways[process.argv[2] ?? ""];
if (call === undefined) throw new Error(`the way is one of ${Object.keys(ways).join(", ")}`);
const running = new Set<Promise<void>>();
for await (const request of readMessages(ClientCompatRequestSchema)) {
  const { testName } = request;
  const answered = call(request).then(
    (value) => ({ case: "response", value }) as const,
    (error: unknown) => {
      const message = error instanceof Error ? `${error.stack}` : String(error);
      return { case: "error", value: create(ClientErrorResultSchema, { message }) } as const;
    },
  ).then((result) => {
    writeMessage(ClientCompatResponseSchema, create(ClientCompatResponseSchema, { testName, result }));
    running.delete(answered);
  });
  running.add(answered);
  if (running.size >= maxCalls) await Promise.race(running);
}
await Promise.all(running);
