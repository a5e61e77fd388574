/** A recorded conversation, as its README describes the file. */
import { readFileSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import { type DataPacket, DataPacketSchema } from "../../../gen/transport/v1/hub_pb.ts";
import {
  type ControlRequest,
  ControlRequestSchema,
  type ControlResponse,
  ControlResponseSchema,
  type DataRequest,
  DataRequestSchema,
  DataResponseSchema,
} from "../../../gen/transport/v1/transport_pb.ts";
import { create } from "@bufbuild/protobuf";

interface RawLine {
  readonly n: number;
  readonly dir?: "peer->connector" | "connector->peer";
  readonly rpc?: "Data" | "Control";
  readonly stream?: number;
  readonly message?: string;
  readonly base64?: string;
  readonly event?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** One line that matters for a replay. */
export type Step =
  | {
    readonly kind: "open";
    readonly rpc: "Data" | "Control";
    readonly stream: number;
    readonly metadata: Record<string, string>;
  }
  /** The engram ended a stream: its side only, or all of it. */
  | { readonly kind: "close"; readonly stream: number; readonly isReset: boolean }
  /** The recorded connector ended a stream, which ours never does. */
  | { readonly kind: "ended"; readonly stream: number }
  | { readonly kind: "request"; readonly stream: number; readonly bytes: Uint8Array; readonly message: DataRequest }
  | { readonly kind: "say"; readonly stream: number; readonly bytes: Uint8Array; readonly message: ControlRequest }
  | { readonly kind: "packet"; readonly message: DataPacket }
  | { readonly kind: "directive"; readonly message: ControlResponse };

export interface Recording {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly binding: { readonly name: string; readonly namespace: string; readonly binding: Record<string, unknown> };
  readonly steps: readonly Step[];
}

// what HTTP/2 and gRPC add themselves
const ownHeaders = new Set([":authority", "content-type", "user-agent", "te"]);

export function readRecording(path: string): Recording {
  const file = JSON.parse(readFileSync(path, "utf8")) as {
    conversation: string;
    env: Record<string, string>;
    BUBU_TRANSPORT_BINDING: Recording["binding"] | string;
    messages: readonly RawLine[];
  };
  const binding = file.BUBU_TRANSPORT_BINDING;
  return {
    name: file.conversation,
    env: file.env,
    binding: typeof binding === "string" ? JSON.parse(binding) as Recording["binding"] : binding,
    steps: dataFirst(file.messages.flatMap(stepOf)),
  };
}

function stepOf(line: RawLine): Step[] {
  const { dir, rpc, stream = 0, event, base64 } = line;
  if (base64 !== undefined) {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    if (dir === "peer->connector") {
      return rpc === "Data"
        ? [{ kind: "request", stream, bytes, message: fromBinary(DataRequestSchema, bytes) }]
        : [{ kind: "say", stream, bytes, message: fromBinary(ControlRequestSchema, bytes) }];
    }
    if (rpc === "Control") return [{ kind: "directive", message: fromBinary(ControlResponseSchema, bytes) }];
    const { frame, metadata, payload, inputs, transports, envelope } = fromBinary(DataResponseSchema, bytes);
    const fields = { frame, metadata, transports };
    return [{
      kind: "packet",
      message: create(DataPacketSchema, {
        ...fields,
        ...(payload === undefined ? {} : { payload }),
        ...(inputs === undefined ? {} : { inputs }),
        ...(envelope === undefined ? {} : { envelope }),
      }),
    }];
  }
  if (rpc === undefined || event === undefined) return [];
  if (dir === "connector->peer") return event === "end" ? [{ kind: "ended", stream }] : [];
  if (event === "open") {
    const metadata = Object.fromEntries(Object.entries(line.metadata ?? {}).filter(([name]) => !ownHeaders.has(name)));
    return [{ kind: "open", rpc, stream, metadata }];
  }
  return [{ kind: "close", stream, isReset: !event.startsWith("half-close") }];
}

/** On the wire Data comes before Control always; only the recorder's handlers saw them in either order. */
function dataFirst(steps: readonly Step[]): readonly Step[] {
  const ordered = [...steps];
  for (let i = 0; i + 1 < ordered.length; i++) {
    const [one, two] = [ordered[i]!, ordered[i + 1]!];
    if (one.kind === "open" && two.kind === "open" && one.rpc === "Control" && two.rpc === "Data") {
      ordered[i] = two;
      ordered[i + 1] = one;
    }
  }
  return ordered;
}
