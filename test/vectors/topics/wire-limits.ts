/** Limits of the wire's messages (data-plane 1.2, 1.3). */
import { fromJson } from "@bufbuild/protobuf";
import type { JsonValue } from "@bufbuild/protobuf";
import { writeBase64 } from "../../../src/contract/base64.ts";
import { validateMessage } from "../../../src/contract/bounds.ts";
import { utf8Bytes } from "../../../src/contract/json-text.ts";
import { messageSchema } from "../messages.ts";
import { topicByOperation } from "../topic.ts";

/** Fields of type bytes, in which a repeated text stands for its bytes. */
const bytesFields: ReadonlySet<string> = new Set(["pcm", "payload"]);

export const wireLimits = topicByOperation({
  validate({ message, spec }: { readonly message: string; readonly spec: JsonValue }) {
    const schema = messageSchema(message);
    return { output: validateMessage(schema, fromJson(schema, expand(spec, ""))) };
  },
});

/** Writes out `@repeat:TEXT*N` in values and keys. */
function expand(value: JsonValue, field: string): JsonValue {
  if (typeof value === "string") {
    const text = expandText(value);
    return text !== value && bytesFields.has(field) ? writeBase64(utf8Bytes(text)) : text;
  }
  if (Array.isArray(value)) return value.map((item) => expand(item, field));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [expandText(key), expand(member, key)]));
}

function expandText(text: string): string {
  const [, repeated = "", times = "0"] = /^@repeat:(.*)\*(\d+)$/s.exec(text) ?? [];
  return repeated === "" ? text : repeated.repeat(Number(times));
}
