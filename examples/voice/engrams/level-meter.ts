/** Prints peak and RMS of each second of audio, in decibels below full scale. */
import { runEngram } from "bobravoz/engram";
import { audioOf, isEnd, level } from "./lib/packets.ts";

const fullScale = 32_768;

function decibels(value: number): string {
  return value === 0 ? "silent" : `${(20 * Math.log10(value / fullScale)).toFixed(1)} dB`;
}

await runEngram({
  // deno-lint-ignore require-yield -- nothing follows this step
  async *stream(packets) {
    let second = 0;
    let peak = 0;
    let squares = 0;
    let frames = 0;
    const print = () => {
      const rms = Math.sqrt(squares / Math.max(frames, 1));
      if (frames > 0) console.log(`second ${second + 1}: peak ${decibels(peak)}, RMS ${decibels(rms)}`);
      peak = squares = frames = 0;
    };
    for await (const packet of packets) {
      if (isEnd(packet)) break;
      const { pcm, atMs } = audioOf(packet);
      const of = Math.floor(atMs / 1000);
      if (of !== second) print();
      second = of;
      const measured = level(pcm);
      peak = Math.max(peak, measured.peak);
      squares += measured.rms ** 2;
      frames++;
    }
    print();
  },
});
