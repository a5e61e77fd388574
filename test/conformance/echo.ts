// What every conformance server tells back of a request, and what an error of the suite looks like.

import { Buffer } from "node:buffer";
import { create, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import {
  type ConformancePayload,
  type ConformancePayload_RequestInfo,
  ConformancePayload_RequestInfoSchema,
  ConformancePayloadSchema,
  type Error as ConformanceError,
  type Header,
  HeaderSchema,
} from "./gen/connectrpc/conformance/v1/conformance_pb.ts";

/** What a server saw of a call, in the form of its protocol. */
export interface Seen {
  readonly headers: readonly Header[];
  /** Milliseconds of the call's deadline, where it has one. */
  readonly timeoutMs: number | null;
}

export function header(name: string, ...value: string[]): Header {
  return create(HeaderSchema, { name, value });
}

export function anyOf(schema: DescMessage, value: Uint8Array): Any {
  return create(AnySchema, { typeUrl: `type.googleapis.com/${schema.typeName}`, value });
}

export function requestInfo(seen: Seen | null, requests: Any[]): ConformancePayload_RequestInfo {
  return create(ConformancePayload_RequestInfoSchema, {
    requestHeaders: [...seen?.headers ?? []],
    timeoutMs: seen?.timeoutMs == null ? undefined : BigInt(Math.round(seen.timeoutMs)),
    requests,
  });
}

export function payload(data: Uint8Array | undefined, info: ConformancePayload_RequestInfo | null): ConformancePayload {
  return create(ConformancePayloadSchema, { data: data ?? new Uint8Array(0), requestInfo: info ?? undefined });
}

/** The details of an error: its own, and what was seen of the request where no message has told it. */
export function detailsOf(error: ConformanceError, info: ConformancePayload_RequestInfo | null): Any[] {
  const schema = ConformancePayload_RequestInfoSchema;
  return info === null ? error.details : [...error.details, anyOf(schema, toBinary(schema, info))];
}

/** Bytes in base64 without padding, as metadata whose name ends in -bin travels. */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
