import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isTransportError } from "../contract/errors.ts";
import { formatPacket, parsePacket } from "./packet-json.ts";

const packets = suite("packets as JSON");

packets("a packet survives writing and reading", () => {
  const text =
    '{"metadata":{"type":"x"},"payload":{"a":[1,null]},"audio":{"pcm":"AAE=","sampleRateHz":16000,"channels":1,"codec":"pcm16"}}';
  assert.is(formatPacket(parsePacket(text, 1)), text);
});

packets("an object without fields of a packet is the payload", () => {
  assert.equal(parsePacket('{"text":"hi"}', 1).payload, { text: "hi" });
  assert.is(parsePacket("{}", 1).payload, undefined);
});

packets("what is no packet is refused with its line", () => {
  for (const text of ["nothing", "[]", "1", '{"payload":{},"extra":1}', '{"audio":{"pcm":1}}']) {
    try {
      parsePacket(text, 7);
      assert.unreachable(text);
    } catch (error) {
      assert.ok(isTransportError(error, "InvalidPacket"), text);
      assert.match((error as Error).message, /^line 7: /);
    }
  }
});

packets.run();
