/**
 * The programs of one step as in a pod: the engram, and beside it the connector that it speaks to. They begin
 * together; the connector outlives its engram by as long as it takes to send what the engram gave it.
 */
import type { Clock } from "../../contract/runtime.ts";
import { Child, type ChildSpec, type Exit } from "./child.ts";

/** How to start the programs of a step. */
export interface StepSpec {
  readonly engram: ChildSpec;
  /** Null: the engram speaks to the hub itself. */
  readonly connector: ChildSpec | null;
}

export type ProgramName = "engram" | "connector";

export interface StepProgramsOptions {
  readonly spec: StepSpec;
  readonly clock: Clock;
  /** Whether a program that crashes is started again. */
  readonly restart: boolean;
  readonly onLine: (program: ProgramName, stream: "stdout" | "stderr", line: string) => void;
  readonly onStart: (program: ProgramName, pid: number | undefined) => void;
  /** The engram ended by itself with code 0, and its connector is gone after it. */
  readonly onDone: () => void;
  /** A program ended in another way. `retryMs` null: it is not started again, and the step's other program is gone too. */
  readonly onCrash: (program: ProgramName, exit: Exit, retryMs: number | null) => void;
}

/** How long a connector may take to send what its engram gave it before a good end. */
export const flushLimitMs = 35_000;

export class StepPrograms {
  readonly #engram: Child;
  readonly #connector: Child | null;
  #isStopping = false;

  constructor(options: StepProgramsOptions) {
    const { spec, clock, restart, onDone } = options;
    this.#connector = spec.connector === null ? null : new Child({
      spec: spec.connector,
      clock,
      restart,
      isService: true,
      ...this.#told(options, "connector", () => this.#engram.stop()),
      onDone: () => {},
    });
    this.#engram = new Child({
      spec: spec.engram,
      clock,
      restart,
      ...this.#told(options, "engram", () => this.#connector?.stop()),
      onDone: () => void this.#after(this.#connector?.stop(flushLimitMs), onDone),
    });
  }

  /** Process id of the engram while it runs. */
  get pid(): number | undefined {
    return this.#engram.pid;
  }

  /** Stops the engram, then its connector, and settles when both are gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#engram.stop();
    await this.#connector?.stop();
  }

  #told(
    { onLine, onStart, onCrash }: StepProgramsOptions,
    program: ProgramName,
    stopOther: () => Promise<void> | undefined,
  ) {
    return {
      onLine: (stream: "stdout" | "stderr", line: string) => onLine(program, stream, line),
      onStart: (pid: number | undefined) => onStart(program, pid),
      onCrash: (exit: Exit, retryMs: number | null) => {
        if (retryMs !== null) onCrash(program, exit, retryMs);
        else void this.#after(stopOther(), () => onCrash(program, exit, null));
      },
    };
  }

  /** Tells something once the other program is gone, unless everything is being stopped anyway. */
  async #after(gone: Promise<void> | undefined, tell: () => void): Promise<void> {
    await gone;
    if (!this.#isStopping) tell();
  }
}
