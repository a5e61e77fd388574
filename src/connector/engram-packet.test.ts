import { create, fromBinary, type JsonObject, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DataPacketSchema } from "../../gen/transport/v1/hub_pb.ts";
import { DataResponseSchema } from "../../gen/transport/v1/transport_pb.ts";
import { packetKeys } from "../contract/names.ts";
import { readEnvelopeFrame } from "../contract/packet-envelope.ts";
import { Slab } from "../delivery/slab.ts";
import { toEngram } from "./engram-packet.ts";
import { Fields } from "./fields.ts";
import { PacketFacts, readFacts } from "./packet-facts.ts";

const it = suite("engram packet");

function given(payload: JsonObject, metadata: Record<string, string>) {
  const bytes = toBinary(DataPacketSchema, create(DataPacketSchema, { payload, metadata }));
  const fields = new Fields();
  assert.ok(fields.walk(bytes, 0, bytes.length));
  const facts = new PacketFacts();
  readFacts(bytes, fields, facts);
  const parts = toEngram(bytes, 0, bytes.length, fields, facts, new Slab());
  assert.ok(parts !== null);
  const response = fromBinary(DataResponseSchema, Uint8Array.from(parts.flatMap((part) => [...part])));
  assert.ok(response.frame.case === "binary");
  return { response, text: new TextDecoder().decode(response.frame.value.payload), frame: response.frame.value };
}

it("a structured packet reaches the SDK as an envelope that says the same", () => {
  const names = fc.string({ unit: "grapheme", maxLength: 12 }).filter((name) => !/^bubu/.test(name) && name !== "kind");
  const values = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.string({ unit: "grapheme" }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n === 0 ? 0 : n),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(names, tie("value"), { maxKeys: 4 }),
    ),
  })).value;
  fc.assert(fc.property(
    fc.dictionary(names, values, { minKeys: 1, maxKeys: 5 }),
    fc.dictionary(names, fc.string({ unit: "grapheme" }), { maxKeys: 3 }),
    (payload, metadata) => {
      const { frame, response } = given(payload as JsonObject, metadata);
      const envelope = readEnvelopeFrame(frame);
      assert.equal(JSON.parse(envelope.payload ?? "null"), JSON.parse(JSON.stringify(payload)));
      assert.equal({ ...envelope.metadata }, { ...metadata });
      assert.equal({ ...response.metadata }, { ...metadata });
    },
  ));
});

it("text that a page could take for markup is escaped as Go does", () => {
  const { text } = given({ heard: "<a & b>\u2028" }, {});
  assert.is(text, `{"version":"v1","kind":"data","payload":{"heard":"\\u003ca \\u0026 b\\u003e\\u2028"}}`);
});

it("a time beyond what a double holds is exact", () => {
  const { frame } = given({ a: 1 }, { [packetKeys.timestampMs]: "999999999999999999" });
  assert.is(frame.timestampMs, 999999999999999999n);
});

it.run();
