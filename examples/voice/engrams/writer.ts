/** Writes segments as WAV files into .bobravoz/out, and compares them with expected.json. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runEngram } from "bobravoz/engram";
import { audioOf, frameMs, isEnd, sampleRateHz, type Segment } from "./lib/packets.ts";
import { writeWav } from "./lib/wav.ts";

/** Within the folder of the manifests, which is where this program is started. */
const folder = join(".bobravoz", "out");

interface Result {
  readonly frames: number;
  readonly segments: readonly Segment[];
}

/** What differs by more than one frame, in words; empty when nothing does. */
function compare(written: Result, expected: Result): string[] {
  const faults: string[] = [];
  const check = (name: string, is: number, should: number, tolerance: number) => {
    if (Math.abs(is - should) > tolerance) faults.push(`${name} is ${is}, expected ${should}`);
  };
  check("number of frames", written.frames, expected.frames, 0);
  check("number of segments", written.segments.length, expected.segments.length, 0);
  expected.segments.forEach((should, i) => {
    const is = written.segments[i];
    if (is === undefined) return;
    check(`start of segment ${i + 1} in ms`, is.startMs, should.startMs, frameMs);
    check(`end of segment ${i + 1} in ms`, is.endMs, should.endMs, frameMs);
  });
  return faults;
}

/** Where the result goes, empty; what an earlier run wrote stays until there is something new. */
async function clear(): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
}

await runEngram({
  // deno-lint-ignore require-yield -- nothing follows this step
  async *stream(packets) {
    const segments: Segment[] = [];
    let frames = 0;
    for await (const packet of packets) {
      if (segments.length === 0) await clear();
      if (isEnd(packet)) {
        frames = Number((packet.payload as { readonly frames?: unknown } | undefined)?.frames);
        break;
      }
      const segment = packet.payload as unknown as Segment;
      segments.push(segment);
      const name = `segment-${segments.length}.wav`;
      await writeFile(join(folder, name), writeWav(audioOf(packet).pcm, sampleRateHz));
      console.log(`${name}: ${segment.startMs} to ${segment.endMs} ms`);
    }
    const written = { frames, segments };
    await writeFile(join(folder, "segments.json"), JSON.stringify(written, null, 2) + "\n");
    const expected = JSON.parse(await readFile(new URL("../expected.json", import.meta.url), "utf8")) as Result;
    const faults = compare(written, expected);
    if (faults.length > 0) throw new Error(`the segments are not the expected ones: ${faults.join("; ")}`);
    console.log(`${segments.length} segments of ${frames} frames, as expected`);
  },
});
