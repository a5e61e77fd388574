/** The command line within the test's own process: arguments and standard input in, text and exit code out. */
import { dispatch } from "../../src/bin/commands.ts";
import { Signal } from "./deadline.ts";

export class Command {
  out = "";
  err = "";
  /** Rings at each output. */
  readonly signal = new Signal();
  readonly done: Promise<number>;
  readonly #abort = new AbortController();

  constructor(
    argv: readonly string[],
    { stdin = [], env = {} }: { readonly stdin?: readonly string[]; readonly env?: Record<string, string> } = {},
  ) {
    this.done = dispatch(argv, {
      out: (text) => {
        this.out += text;
        this.signal.notify();
      },
      err: (text) => {
        this.err += text;
        this.signal.notify();
      },
      env,
      signal: this.#abort.signal,
      isTerminal: false,
      columns: 80,
      stdin: (async function* () {
        yield* stdin;
      })(),
    });
  }

  /** What Ctrl-C does. */
  interrupt(): void {
    this.#abort.abort();
  }
}
