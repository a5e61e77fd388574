/** Text that arrives in pieces, as lines. */
import { TransportError } from "../contract/errors.ts";

/** A line that is longer is refused: a packet of 10 MiB is smaller as JSON text. */
const maxLineCharacters = 32 * 1024 * 1024;

/** Lines without their ends; the last one may lack its end. Throws `InvalidPacket` for one that is too long. */
export async function* lines(pieces: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    rest += typeof piece === "string" ? piece : decoder.decode(piece, { stream: true });
    const complete = rest.split("\n");
    rest = complete.pop()!;
    for (const line of complete) yield line.endsWith("\r") ? line.slice(0, -1) : line;
    if (rest.length > maxLineCharacters) {
      throw new TransportError("InvalidPacket", `a line has more than ${maxLineCharacters} characters`);
    }
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
