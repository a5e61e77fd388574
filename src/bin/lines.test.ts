import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lines } from "./lines.ts";

const splitting = suite("lines");

async function all(...pieces: (Uint8Array | string)[]): Promise<string[]> {
  const found: string[] = [];
  for await (
    const line of lines((async function* () {
      yield* pieces;
    })())
  ) found.push(line);
  return found;
}

splitting("lines are the same however they arrive", async () => {
  assert.equal(await all("a\nb\r\n\nc"), ["a", "b", "", "c"]);
  assert.equal(await all("a", "\nb\r", "\n\nc", "\n"), ["a", "b", "", "c"]);
  assert.equal(await all(), []);
});

splitting("a character that is split over two pieces is one character", async () => {
  const bytes = new TextEncoder().encode("─\n");
  assert.equal(await all(bytes.subarray(0, 1), bytes.subarray(1)), ["─"]);
});

splitting.run();
