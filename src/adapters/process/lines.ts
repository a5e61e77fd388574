/** A stream of bytes as lines of text. */

// A program that never ends its line still shows up.
const maxLine = 16_384;

/** Calls `line` for each line without its ending; bytes that are not UTF-8 become U+FFFD, long lines are cut in parts. */
export class LineSplitter {
  readonly #line: (text: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = "";

  constructor(line: (text: string) => void) {
    this.#line = line;
  }

  push(bytes: Uint8Array): void {
    this.#split(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Gives out what is left without an ending. */
  end(): void {
    this.#split(this.#decoder.decode());
    if (this.#rest !== "") this.#line(this.#rest);
    this.#rest = "";
  }

  #split(text: string): void {
    const lines = (this.#rest + text).split(/\r?\n/);
    let rest = lines.pop()!;
    lines.forEach(this.#line);
    for (; rest.length > maxLine; rest = rest.slice(maxLine)) this.#line(rest.slice(0, maxLine));
    this.#rest = rest;
  }
}
