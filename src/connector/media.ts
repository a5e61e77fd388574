/** What an SDK asks of audio and video frames beyond the wire's limits (data-plane 6.10, "Message validity"). */
import { packetFields } from "./fields.ts";

/**
 * Whether the frame at `bytes[from, to)`, which is of kind `number`, is one that ends no session: audio has bytes,
 * encoded video a codec, raw video both dimensions. Rate and channels were checked with the wire's limits.
 */
export function isMediaUsable(bytes: Uint8Array, from: number, to: number, number: number): boolean {
  let blob = 0;
  let codec = 0;
  let width = 0;
  let height = 0;
  let isRaw = false;
  let at = from;
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (let byte = 0x80; byte >= 0x80 && at < to; scale *= 0x80) {
      byte = bytes[at++]!;
      value += (byte & 0x7f) * scale;
    }
    return value;
  };
  while (at < to) {
    const tag = varint();
    const value = varint();
    if ((tag & 7) === 2) {
      if (tag === 0x0a) blob = value;
      else if (tag === 0x12) codec = value;
      at += value;
    } else if (tag === 0x18) width = value;
    else if (tag === 0x20) height = value;
    else if (tag === 0x30) isRaw = value !== 0;
  }
  if (blob === 0) return false;
  return number === packetFields.audio || (isRaw ? width > 0 && height > 0 : codec > 0);
}
