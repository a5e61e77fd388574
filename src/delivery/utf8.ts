/** UTF-8 without decoding it: encodings of text that a peer's protobuf would refuse are refused here. */

/** Whether `bytes[start, end)` is UTF-8 without surrogates and overlong forms (RFC 3629). */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  // eight at a time: metadata is ASCII as a rule, and this is the scan's longest loop
  for (const last = end - 8; i <= last; i += 8) {
    const all = bytes[i]! | bytes[i + 1]! | bytes[i + 2]! | bytes[i + 3]! |
      bytes[i + 4]! | bytes[i + 5]! | bytes[i + 6]! | bytes[i + 7]!;
    if (all >= 0x80) break;
  }
  while (i < end && bytes[i]! < 0x80) i++;
  return i === end || isUtf8Tail(bytes, i, end);
}

function isUtf8Tail(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  while (i < end) {
    const byte = bytes[i++]!;
    if (byte < 0x80) continue;
    let more: number;
    let low = 0x80;
    let high = 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) more = 1;
    else if (byte >= 0xe0 && byte <= 0xef) {
      more = 2;
      if (byte === 0xe0) low = 0xa0;
      else if (byte === 0xed) high = 0x9f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      more = 3;
      if (byte === 0xf0) low = 0x90;
      else if (byte === 0xf4) high = 0x8f;
    } else return false;
    for (; more > 0; more--) {
      const next = i < end ? bytes[i++]! : 0;
      if (next < low || next > high) return false;
      low = 0x80;
      high = 0xbf;
    }
  }
  return true;
}
