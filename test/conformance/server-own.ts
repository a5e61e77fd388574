// The suite's service on the server side of our own framing.

import { create, toBinary } from "@bufbuild/protobuf";
import type { Metadata, Method, Methods } from "../../src/adapters/grpc/call.ts";
import type { GrpcCode } from "../../src/adapters/grpc/codes.ts";
import { parseGrpcTimeout } from "../../src/adapters/grpc/status.ts";
import { takeOne } from "../../src/adapters/grpc/unary.ts";
import { header, toBase64 } from "./echo.ts";
import {
  ConformanceService,
  type Header,
  StatusDetailsSchema,
} from "./gen/connectrpc/conformance/v1/conformance_pb.ts";
import { Inbox } from "./inbox.ts";
import { Refused, service, type ServiceMethod } from "./service.ts";

export function ownMethods(): Methods {
  return Object.fromEntries(
    ConformanceService.methods.filter(({ name }) => Object.hasOwn(service, name)).map(({ name, methodKind }) => {
      const run = service[name as keyof typeof service]; // just looked up
      const takesOne = methodKind === "unary" || methodKind === "server_streaming";
      return [`/${ConformanceService.typeName}/${name}`, ownMethod(run, takesOne)];
    }),
  );
}

function ownMethod(run: ServiceMethod, takesOne: boolean): Method {
  return {
    kind: "stream",
    open(stream) {
      const requests = new Inbox<Uint8Array>();
      let headers: Metadata = {};
      let trailers: Metadata = {};
      const seen = {
        headers: Object.entries(stream.metadata).map(([name, value]) => header(name, ...[value].flat())),
        timeoutMs: parseGrpcTimeout(stream.header("grpc-timeout")),
      };
      run({
        seen,
        requests,
        headers: (all) => headers = toMetadata(all),
        trailers: (all) => trailers = toMetadata(all),
        sendHeaders: () => stream.sendHeaders(headers),
        respond(response) {
          stream.sendHeaders(headers);
          stream.write(response);
          stream.flush();
        },
      }).then(() => {
        stream.sendHeaders(headers);
        stream.end(null, trailers);
      }, (error: unknown) => {
        if (!(error instanceof Refused)) {
          console.error(error);
          stream.end({ code: 13, message: "the conformance server failed" }, trailers);
          return;
        }
        const { message } = error;
        const code = error.error.code as GrpcCode; // the suite's numbers are gRPC's
        const details = toBinary(
          StatusDetailsSchema,
          create(StatusDetailsSchema, {
            code,
            message,
            details: [...error.details],
          }),
        );
        if (Object.keys(headers).length > 0) stream.sendHeaders(headers);
        stream.end({ code, message }, { ...trailers, "grpc-status-details-bin": toBase64(details) });
      });
      const end = () => requests.end();
      if (!takesOne) {
        return {
          message(bytes, start, end) {
            requests.push(bytes.subarray(start, end));
            return true;
          },
          halfClosed: end,
          closed: end,
        };
      }
      const only = takeOne(stream, (message) => {
        requests.push(message);
        requests.end();
      });
      // a call that took no message is over; its service waits for none
      return { ...only, closed() {} };
    },
  };
}

function toMetadata(headers: readonly Header[]): Metadata {
  return Object.fromEntries(headers.map(({ name, value }) => [name.toLowerCase(), value]));
}
