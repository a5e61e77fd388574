/** Structured log: one JSON object per line on stderr, with a constant message and the facts in fields. */
import { stderr } from "node:process";
import type { Log, LogFields } from "../contract/runtime.ts";

/** Levels from the most talkative to the quietest; `silent` writes nothing. */
export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = typeof logLevels[number];

export interface LogOptions {
  /** Lines below it are dropped. Default `info`. */
  readonly level?: LogLevel;
  /** Takes one whole line, its newline included. Default: stderr. */
  readonly write?: (line: string) => void;
  /** Time of a line, milliseconds since the epoch. Default: the machine's. */
  readonly nowMs?: () => number;
  /** Fields of every line. */
  readonly fields?: LogFields;
}

/** A log whose lines are `{"time", "level", "message", …fields}`; fields that are undefined are left out. */
export function createLog(options: LogOptions = {}): Log {
  const write = options.write ?? ((line: string) => void stderr.write(line));
  const nowMs = options.nowMs ?? Date.now;
  const lowest = logLevels.indexOf(options.level ?? "info");
  const at = (level: LogLevel) =>
    logLevels.indexOf(level) < lowest ? () => {} : (message: string, fields: LogFields = {}) => {
      const time = new Date(nowMs()).toISOString();
      write(JSON.stringify({ time, level, message, ...options.fields, ...fields }) + "\n");
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** True where `text` is the name of a level. */
export function isLogLevel(text: string): text is LogLevel {
  return (logLevels as readonly string[]).includes(text);
}
