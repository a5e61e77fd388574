import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Inbox } from "./inbox.ts";
import { Outbox, type Sink } from "./outbox.ts";
import type { Packet } from "./packet.ts";

const boxes = suite("queues of an engram");

const packet = (id: string): Packet => ({ kind: "", id, timestampMs: 0, metadata: {}, position: null });

boxes("a full inbox says so, and tells when it has room", async () => {
  const inbox = new Inbox(2);
  let rooms = 0;
  inbox.onRoom = () => rooms++;
  assert.equal([inbox.push(packet("1"), () => {}), inbox.push(packet("2"), () => {})], [true, false]);
  await inbox.packets.next();
  assert.is(rooms, 1);
  await inbox.packets.next();
  assert.is(rooms, 1);
});

boxes("a packet is handled when the next is asked for; the last one when the engram has ended well", async () => {
  const inbox = new Inbox(4);
  const done: string[] = [];
  for (const id of ["1", "2"]) inbox.push(packet(id), () => done.push(id));
  await inbox.packets.next();
  assert.equal(done, []);
  await inbox.packets.next();
  assert.equal(done, ["1"]);
  await inbox.packets.return!();
  assert.equal(done, ["1"]);
  inbox.finish();
  assert.equal(done, ["1", "2"]);
});

boxes("the end comes after what waits", async () => {
  const inbox = new Inbox(4);
  inbox.push(packet("1"), () => {});
  inbox.end();
  const ids: string[] = [];
  for await (const { id } of inbox.packets) ids.push(id);
  assert.equal(ids, ["1"]);
});

class Slow implements Sink {
  room = 0;
  readonly written: number[] = [];
  get writable(): boolean {
    return this.room > 0;
  }
  write(message: Uint8Array): void {
    this.room--;
    this.written.push(message[0]!);
  }
}

boxes("messages keep their order while they wait, and over sessions", async () => {
  const outbox = new Outbox();
  const sends = [1, 2, 3].map((i) => outbox.send(Uint8Array.of(i)));
  const first = new Slow();
  first.room = 1;
  outbox.attach(first);
  await sends[0];
  sends.push(outbox.send(Uint8Array.of(4)));
  outbox.attach(null);
  const second = new Slow();
  second.room = 9;
  outbox.attach(second);
  await Promise.all(sends);
  assert.equal([first.written, second.written], [[1], [2, 3, 4]]);
});

boxes("sends that nobody awaits are refused at 1024, and all fail when no session will come", async () => {
  const outbox = new Outbox();
  const failed: string[] = [];
  for (let i = 0; i < 1025; i++) outbox.send(Uint8Array.of(0)).catch((error) => failed.push(error.message));
  await Promise.resolve();
  assert.match(failed[0] ?? "", /1024 packets wait to be sent/);
  outbox.fail(new Error("no connector"));
  await new Promise((resolve) => setTimeout(resolve));
  assert.is(failed.filter((message) => message === "no connector").length, 1024);
});

boxes.run();
