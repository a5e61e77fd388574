/** A log line for people: `warn engram crashed: step=mic error="exit code 3"`. */
import type { LogFields } from "../contract/runtime.ts";

/** Turns a JSON line of the log into text; one that is not such a line stays as it is. */
export function localLogLine(line: string): string {
  let entry: { level?: string; message?: string; time?: string } & LogFields;
  try {
    entry = JSON.parse(line);
  } catch {
    // Not ours: shown as it came.
    return line.trimEnd();
  }
  const { time: _, level, message, ...fields } = entry;
  const shown = Object.entries(fields).map(([name, value]) =>
    `${name}=${typeof value === "string" && /[\s"]/.test(value) ? JSON.stringify(value) : value}`
  );
  return `${level} ${message}${shown.length > 0 ? ": " : ""}${shown.join(" ")}`;
}
