/** WAV files with one channel of 16-bit samples. */

/** The samples of a WAV file. Throws for one that is not 16-bit mono at `sampleRateHz`. */
export function readWav(file: Uint8Array, sampleRateHz: number): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const tag = (at: number) => String.fromCharCode(...file.subarray(at, at + 4));
  if (file.length < 44 || tag(0) !== "RIFF" || tag(8) !== "WAVE") throw new Error("not a WAV file");
  for (let at = 12; at + 8 <= file.length;) {
    const size = view.getUint32(at + 4, true);
    if (tag(at) === "fmt ") {
      const found = [view.getUint16(at + 10, true), view.getUint32(at + 12, true), view.getUint16(at + 22, true)];
      if (found.join() !== [1, sampleRateHz, 16].join()) {
        throw new Error(
          `a WAV file of ${found[0]} channels, ${found[1]} Hz, ${found[2]} bits; expected 1, ${sampleRateHz}, 16`,
        );
      }
    }
    if (tag(at) === "data") return file.subarray(at + 8, at + 8 + size);
    at += 8 + size + size % 2;
  }
  throw new Error("a WAV file without samples");
}

/** A WAV file of 16-bit mono samples. */
export function writeWav(pcm: Uint8Array, sampleRateHz: number): Uint8Array {
  const file = new Uint8Array(44 + pcm.length);
  const view = new DataView(file.buffer);
  const tag = (at: number, text: string) => [...text].forEach((letter, i) => file[at + i] = letter.charCodeAt(0));
  tag(0, "RIFF");
  view.setUint32(4, 36 + pcm.length, true);
  tag(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRateHz, true);
  view.setUint32(28, sampleRateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  tag(36, "data");
  view.setUint32(40, pcm.length, true);
  file.set(pcm, 44);
  return file;
}
