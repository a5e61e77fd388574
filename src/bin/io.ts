/** What a subcommand may touch of the process around it; tests pass one made of strings. */
import process from "node:process";

export interface Io {
  /** Writes text, newline included, to standard output. */
  out(text: string): void;
  /** Writes text, newline included, to standard error. */
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires once at SIGINT or SIGTERM; a second signal ends the process at once. */
  readonly signal: AbortSignal;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Columns of the terminal, or 80. */
  readonly columns: number;
  readonly stdin: AsyncIterable<Uint8Array | string>;
}

/** The Io of this process. Installs its signal handlers; call it once. */
export function processIo(): Io {
  const abort = new AbortController();
  const interrupted = 130;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (abort.signal.aborted) process.exit(interrupted);
      abort.abort();
    });
  }
  // `bobravoz recv … | head`: who reads no more wants no more
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    abort.abort();
  });
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    signal: abort.signal,
    isTerminal: process.stdout.isTTY === true,
    // 0 on a terminal that does not know its size
    columns: process.stdout.columns || 80,
    get stdin() {
      return process.stdin;
    },
  };
}

/** Whether output is coloured: on a terminal, unless `NO_COLOR` is set to something or `TERM` is `dumb`. */
export function isColored(io: Pick<Io, "env" | "isTerminal">): boolean {
  return io.isTerminal && !io.env["NO_COLOR"] && io.env["TERM"] !== "dumb";
}
