/** Marks each frame with whether somebody speaks: by its energy, and for 300 ms after it. */
import { runEngram } from "./lib/engram.ts";
import { audioOf, audioPacket, isEnd, level } from "./lib/packets.ts";

const threshold = 300;
const hangoverFrames = 15;

await runEngram(async (engram) => {
  let left = 0;
  for await (const packet of engram.packets()) {
    if (isEnd(packet)) {
      await engram.send(packet);
      continue;
    }
    const { pcm, atMs } = audioOf(packet);
    left = level(pcm).rms >= threshold ? hangoverFrames : Math.max(left - 1, 0);
    await engram.send(audioPacket(pcm, atMs, left > 0 ? "speech.vad.active" : "speech.vad.inactive"));
  }
  console.log(`${engram.counts.direct} packets came directly, ${engram.counts.hub} through the hub`);
});
