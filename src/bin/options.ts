/** Flags and positionals of a subcommand, checked: every fault is a `Usage` error that names the flag. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { TransportError } from "../contract/errors.ts";
import { suggestion } from "./suggest.ts";

type OptionTable = NonNullable<ParseArgsConfig["options"]>;

/** Flags that are a string or a boolean, by name. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/**
 * Reads `argv` by `options` and exactly `positionals[0]` to `positionals[1]` arguments.
 * Throws `Usage`; `command` is named in the message.
 */
export function readOptions(
  command: string,
  argv: readonly string[],
  options: OptionTable,
  positionals: readonly [number, number],
): { readonly values: OptionValues; readonly positionals: readonly string[] } {
  const { tokens, ...parsed } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const names = Object.keys(options);
  for (const token of tokens ?? []) {
    if (token.kind !== "option") continue;
    const option = options[token.name];
    if (option === undefined) {
      throw usage(command, `unknown flag ${token.rawName}${suggestion(token.name, names).replace('"', '"--')}`);
    }
    if (option.type === "string" && (token.value === undefined || token.value === "")) {
      throw usage(command, `flag --${token.name} needs a value`);
    }
    if (option.type === "boolean" && token.value !== undefined) {
      throw usage(command, `flag --${token.name} takes no value`);
    }
  }
  const [least, most] = positionals;
  const { length } = parsed.positionals;
  if (length < least) throw usage(command, "an argument is missing");
  if (length > most) throw usage(command, `unexpected argument "${parsed.positionals[most]}"`);
  return { values: parsed.values as OptionValues, positionals: parsed.positionals };
}

/** A `Usage` error with where to read on. */
export function usage(command: string, message: string): TransportError {
  return new TransportError("Usage", `${message} (see bobravoz help ${command})`);
}

/** The value of `--name` where it is one of `allowed`, else the first of them. */
export function choice<T extends string>(
  command: string,
  name: string,
  value: string | boolean | undefined,
  allowed: readonly [T, ...T[]],
): T {
  if (value === undefined) return allowed[0];
  const found = allowed.find((each) => each === value);
  if (found === undefined) {
    throw usage(
      command,
      `--${name} is one of ${allowed.join(", ")}, not "${value}"${suggestion(String(value), allowed)}`,
    );
  }
  return found;
}

/** A positive whole number, or `fallback` where the flag is absent. */
export function count(command: string, name: string, value: string | boolean | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 2147483647) {
    throw usage(command, `--${name} is a whole number from 1 to 2147483647, not "${value}"`);
  }
  return number;
}
