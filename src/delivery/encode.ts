/** The few pieces of protobuf's encoding that are written by hand on the packet's way. */

/** A length-delimited field. */
export function field(number: number, body: Uint8Array): Uint8Array {
  return join([Uint8Array.of(number << 3 | 2), varint(body.length), body]);
}

/** A number below 2^53 as a varint. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 0x80)) bytes.push(value & 0x7f | 0x80);
  bytes.push(value);
  return Uint8Array.from(bytes);
}

/** All pieces in one array. */
export function join(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece, offset);
    offset += piece.length;
  }
  return joined;
}
