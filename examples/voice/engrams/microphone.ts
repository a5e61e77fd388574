/** Plays speech.wav in frames of 20 ms, at real time or as fast as they are taken. */
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { runEngram } from "./lib/engram.ts";
import { audioPacket, endPacket, frameBytes, frameMs, sampleRateHz } from "./lib/packets.ts";
import { readWav } from "./lib/wav.ts";

/** How long the first frame is held for a direct edge (DECISIONS K-17). */
const directMs = 10_000;

await runEngram(async (engram) => {
  const samples = readWav(await readFile(new URL("../speech.wav", import.meta.url)), sampleRateHz);
  const isDirect = await engram.untilDirect(directMs);
  console.log(isDirect ? "the way to the next step is direct" : "no direct way after 10 s, going through the hub");
  const startMs = performance.now();
  let frames = 0;
  for (let at = 0; at < samples.length; at += frameBytes) {
    const waitMs = startMs + frames * frameMs - performance.now();
    if (!engram.surroundings.isFast && waitMs > 0) await setTimeout(waitMs);
    await engram.send(audioPacket(samples.slice(at, at + frameBytes), frames * frameMs, "speech.audio.v1"));
    frames++;
  }
  await engram.send(endPacket(frames));
  console.log(`${frames} frames played`);
});
