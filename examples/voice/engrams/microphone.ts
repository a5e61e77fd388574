/** Plays speech.wav in frames of 20 ms, at real time or as fast as they are taken. */
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { runEngram } from "bobravoz/engram";
import { audioPacket, endPacket, frameBytes, frameMs, sampleRateHz } from "./lib/packets.ts";
import { readWav } from "./lib/wav.ts";

await runEngram({
  async *stream(_packets, { env }) {
    const samples = readWav(await readFile(new URL("../speech.wav", import.meta.url)), sampleRateHz);
    const startMs = performance.now();
    let frames = 0;
    for (let at = 0; at < samples.length; at += frameBytes) {
      const waitMs = startMs + frames * frameMs - performance.now();
      if (env["BOBRAVOZ_EXAMPLE_FAST"] !== "1" && waitMs > 0) await setTimeout(waitMs);
      yield audioPacket(samples.slice(at, at + frameBytes), frames * frameMs, "speech.audio.v1");
      frames++;
    }
    yield endPacket(frames);
    console.log(`${frames} frames played`);
  },
});
