import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LineSplitter } from "./lines.ts";

const lines = suite("lines");

function split(...chunks: (string | Uint8Array)[]): string[] {
  const seen: string[] = [];
  const splitter = new LineSplitter((line) => seen.push(line));
  for (const chunk of chunks) splitter.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  splitter.end();
  return seen;
}

lines("lines are found across chunks, the last one without an ending too", () => {
  assert.equal(split("a\nb", "c\r\n", "\nd"), ["a", "bc", "", "d"]);
});

lines("a character that two chunks share is whole", () => {
  const bytes = new TextEncoder().encode("é\n");
  assert.equal(split(bytes.subarray(0, 1), bytes.subarray(1)), ["é"]);
});

lines("a line without an end does not grow for ever", () => {
  const seen = split("x".repeat(40_000));
  assert.is(seen.join(""), "x".repeat(40_000));
  assert.is(Math.max(...seen.map((line) => line.length)), 16_384);
});

lines.run();
