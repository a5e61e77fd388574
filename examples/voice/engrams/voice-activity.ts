/** Marks each frame with whether somebody speaks: by its energy, and for 300 ms after it. */
import { runEngram } from "bobravoz/engram";
import { audioOf, audioPacket, isEnd, level } from "./lib/packets.ts";

const threshold = 300;
const hangoverFrames = 15;

await runEngram({
  async *stream(packets) {
    let left = 0;
    let frames = 0;
    let active = 0;
    for await (const packet of packets) {
      if (isEnd(packet)) {
        yield packet;
        break;
      }
      const { pcm, atMs } = audioOf(packet);
      left = level(pcm).rms >= threshold ? hangoverFrames : Math.max(left - 1, 0);
      frames++;
      if (left > 0) active++;
      yield audioPacket(pcm, atMs, left > 0 ? "speech.vad.active" : "speech.vad.inactive");
    }
    console.log(`${active} of ${frames} frames with speech`);
  },
});
