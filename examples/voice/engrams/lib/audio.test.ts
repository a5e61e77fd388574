import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Acknowledger } from "./acknowledger.ts";
import { audioPacket, level, sampleRateHz } from "./packets.ts";
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

audio("packets are acknowledged in the portions that the settings ask for, the rest when flushed", async () => {
  const granted: number[] = [];
  const settings = JSON.stringify({ flowControl: { ackEvery: { messages: 3, maxDelay: "10000ms" } } });
  const acknowledger = new Acknowledger(settings, (messages) => granted.push(messages));
  const handled = Array.from({ length: 4 }, (_, i) => acknowledger.received(audioPacket(new Uint8Array(2), i, "x")));
  for (const done of handled) done();
  await acknowledger.idle();
  assert.equal(granted, [3]);
  acknowledger.flush();
  assert.equal(granted, [3, 1]);
});

audio.run();
