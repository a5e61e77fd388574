/** What a vector file is made of, and what a topic makes of a case (vectors/README of the reference). */
import { isTransportError } from "../../src/contract/errors.ts";

/** One line of a vector file: an input with an output or an error. */
export interface VectorCase {
  readonly name: string;
  readonly rule?: string;
  readonly input: unknown;
  readonly output?: unknown;
  readonly error?: string;
  readonly class?: string;
}

/** What our code answers to an input. A `Uint8Array` as output is a text that may not be UTF-8. */
export type Answer =
  | { readonly output: unknown }
  | { readonly error: string; readonly class?: string | undefined };

/** An answer, and what a changed rule of DECISIONS says for the same input where it says something else. */
export interface Result {
  readonly answer: Answer;
  readonly changed?: { readonly rule: string; readonly answer: Answer };
}

/** Feeds an input to our own code. */
export type Topic = (input: unknown) => Result;

/** A topic over inputs of one shape; the shape is that of the vector file, which is data and not checked. */
export function topic<Input>(answer: (input: Input) => Answer): Topic {
  return (input) => ({ answer: answer(input as Input) });
}

/** Topic over inputs that name their operation in `op`. */
export function topicByOperation<Operations extends Readonly<Record<string, (input: never) => Answer>>>(
  operations: Operations,
): Topic {
  return (input) => {
    const { op } = input as { readonly op: string };
    const operation = operations[op];
    if (operation === undefined) throw new Error(`no operation ${JSON.stringify(op)} in this topic`);
    return { answer: operation(input as never) };
  };
}

/** The output of `run`, or the error that it threw as one of ours, with the class that `classOf` gives it. */
export function attempt(run: () => unknown, classOf?: (error: Error) => string | undefined): Answer {
  try {
    return { output: run() };
  } catch (error) {
    if (!isTransportError(error)) throw error;
    return { error: error.message, class: classOf?.(error) };
  }
}

/** A text given in parts: `[{text, times?}]`. */
export function joinParts(parts: readonly { readonly text: string; readonly times?: number }[]): string {
  return parts.map(({ text, times = 1 }) => text.repeat(times)).join("");
}
