/** Messages of the wire by their name in vector files. */
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { Message } from "@bufbuild/protobuf";
import { file_transport_v1_hub } from "../../gen/transport/v1/hub_pb.ts";
import { file_transport_v1_transport } from "../../gen/transport/v1/transport_pb.ts";

/** The schema of a message of `transport.v1`. */
export function messageSchema(name: string): GenMessage<Message> {
  for (const file of [file_transport_v1_transport, file_transport_v1_hub]) {
    const schema = file.messages.find((message) => message.name === name);
    // A descriptor of generated code is its GenMessage.
    if (schema !== undefined) return schema as GenMessage<Message>;
  }
  throw new Error(`no message ${JSON.stringify(name)} on the wire`);
}
