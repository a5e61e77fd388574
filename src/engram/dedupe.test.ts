import { create } from "@bufbuild/protobuf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DataResponseSchema } from "../../gen/transport/v1/transport_pb.ts";
import { Dedupe, dedupeKey } from "./dedupe.ts";

const dedupe = suite("packets that come again");

dedupe("a packet is new once, under way until it is handled, and then known", () => {
  const known = new Dedupe();
  assert.equal([known.arrive("a"), known.arrive("a")], ["new", "pending"]);
  known.complete("a");
  assert.equal([known.arrive("a"), known.arrive("b"), known.arrive(null), known.arrive(null)], [
    "completed",
    "new",
    "new",
    "new",
  ]);
});

dedupe("the last 4096 that were handled are known, and no more", () => {
  const known = new Dedupe();
  for (let i = 0; i < 4097; i++) {
    known.arrive(`${i}`);
    known.complete(`${i}`);
  }
  assert.is(known.arrive("1"), "completed");
  assert.is(known.arrive("0"), "new");
});

dedupe("the position in the stream tells packets apart, else the message id (data-plane 6.10, 15)", () => {
  const metadata = { "bubu.envelope.message_id": "m" };
  const key = (fields: object) => dedupeKey(create(DataResponseSchema, { metadata, ...fields }));
  assert.is(key({ envelope: { streamId: "s", sequence: 3n, partition: "p" } }), "env|s|p|3");
  assert.is(key({ envelope: { streamId: "s" } }), "msg|m");
  assert.is(key({ metadata: {} }), null);
});

dedupe.run();
