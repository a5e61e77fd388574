import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SendQueue } from "./send-queue.ts";

const queues = suite("send queue");

async function all(queue: SendQueue<number>): Promise<number[]> {
  const items: number[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

queues("everything comes out in order, then the end", async () => {
  const queue = new SendQueue<number>();
  const read = all(queue);
  for (let i = 0; i < 200; i++) await queue.send(i);
  queue.end();
  assert.equal(await read, Array.from({ length: 200 }, (_, i) => i));
});

queues("a sender waits at the bound until there is room", async () => {
  const queue = new SendQueue<number>();
  let sent = 0;
  const sending = (async () => {
    for (let i = 0; i < 100; i++) {
      await queue.send(i);
      sent++;
    }
    queue.end();
  })();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.is(sent, 64);
  assert.is((await all(queue)).length, 100);
  await sending;
});

queues("a failure reaches who waits and who comes later, and ends the reader", async () => {
  const queue = new SendQueue<number>();
  for (let i = 0; i < 64; i++) queue.add(i);
  const waiting = queue.send(64).then(() => "sent", (error: Error) => error.message);
  queue.fail(new Error("gone"));
  assert.is(await waiting, "gone");
  assert.is(await queue.send(65).then(() => "sent", (error: Error) => error.message), "gone");
  assert.is((await all(queue)).length, 64);
});

queues.run();
