/** The final account: whether every packet of every edge is accounted for, and nothing is lost or left. */
import type { EdgeRow } from "./edge-rows.ts";
import { bytesText, type Paint, table } from "./table.ts";

export interface Verdict {
  /** received = delivered + buffered + dropped on each edge, dropped and buffered are 0, and some edge received something. */
  readonly isGood: boolean;
  /** What is wrong, one line for each edge; empty where nothing is. */
  readonly faults: readonly string[];
  /** Packets that no step will get, over all edges. */
  readonly lost: { readonly dropped: number; readonly buffered: number };
}

/** `1 packet`, `2 packets`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** What a stop leaves undelivered, in one line. */
export function stopLine({ lost: { dropped, buffered } }: Verdict): string {
  if (dropped + buffered === 0) return "stopped, no packet dropped";
  return `stopped, ${counted(dropped, "packet")} dropped before, and ${
    counted(buffered, "packet")
  } in buffers lost now`;
}

/** Judges the last counters of a run that has ended. */
export function judge(rows: readonly EdgeRow[]): Verdict {
  const faults: string[] = [];
  for (const row of rows) {
    const name = `${row.from} ─> ${row.to} of ${row.run}`;
    const missing = row.received - row.delivered - row.buffered - row.dropped;
    if (missing !== 0) {
      faults.push(
        `${name}: ${missing} of ${counted(row.received, "packet")} ${missing === 1 ? "is" : "are"} not accounted for`,
      );
    }
    if (row.dropped > 0) faults.push(`${name}: ${counted(row.dropped, "packet")} dropped (${row.dropReasons})`);
    if (row.buffered > 0) faults.push(`${name}: ${counted(row.buffered, "packet")} still buffered`);
  }
  if (rows.every((row) => row.received === 0)) faults.push("no packet was seen on any edge");
  const sum = (field: "dropped" | "buffered") => rows.reduce((total, row) => total + row[field], 0);
  return { isGood: faults.length === 0, faults, lost: { dropped: sum("dropped"), buffered: sum("buffered") } };
}

/** The summary: a row for each edge, then the verdict. */
export function summaryLines(rows: readonly EdgeRow[], verdict: Verdict, paint: Paint): string[] {
  const head = ["edge", "mode", "received", "delivered", "buffered", "dropped", "bytes"].map(paint.bold);
  const lines = table(
    [
      head,
      ...rows.map((row) => [
        `${row.from} ─> ${row.to}`,
        row.ways || (row.decision?.effective ?? "gone"),
        String(row.received),
        String(row.delivered),
        String(row.buffered),
        row.dropped > 0 ? paint.bad(`${row.dropped} (${row.dropReasons})`) : "0",
        bytesText(row.receivedBytes),
      ]),
    ],
    ["left", "left", "right", "right", "right", "right", "right"],
  );
  if (verdict.isGood) {
    return [...lines, paint.good("every packet is accounted for: received = delivered, 0 buffered, 0 dropped")];
  }
  return [...lines, ...verdict.faults.map((fault) => paint.bad(fault))];
}
