/** Log lines for people: `warn engram crashed: step=mic error="exit code 3"`. */
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

/** What of a connector's output is shown to people: warnings and errors as text; null for the rest of its log. */
export function connectorLine(line: string, isDebug: boolean): string | null {
  const level = /"level":"(debug|info)"/.exec(line)?.[1];
  return level !== undefined && !isDebug ? null : localLogLine(line);
}
