import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { level, sampleRateHz } from "./packets.ts";
import { readWav, writeWav } from "./wav.ts";

const audio = suite("audio of the voice example");

audio("a WAV file that is read and written is the same samples", async () => {
  const samples = readWav(await readFile(new URL("../../speech.wav", import.meta.url)), sampleRateHz);
  assert.is(samples.length, 364 * 640);
  assert.ok(Buffer.from(readWav(writeWav(samples, sampleRateHz), sampleRateHz)).equals(samples));
});

audio("a file of another kind is refused with what it is", () => {
  assert.throws(() => readWav(new Uint8Array(100), sampleRateHz), /not a WAV file/);
  assert.throws(() => readWav(writeWav(new Uint8Array(10), 8000), sampleRateHz), /8000 Hz/);
});

audio("the level of a square wave is its height", () => {
  const pcm = new Uint8Array(new Int16Array([1000, -1000, 1000, -1000]).buffer);
  assert.equal(level(pcm), { rms: 1000, peak: 1000 });
});

audio.run();
