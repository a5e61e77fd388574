/** The final account: whether every packet of every edge is accounted for, and nothing is lost or left. */
import type { EdgeRow } from "./edge-rows.ts";
import { bytesText, type Paint, table } from "./table.ts";

export interface Verdict {
  /** received = delivered + buffered + dropped on each edge, dropped and buffered are 0, and some edge received something. */
  readonly isGood: boolean;
  /** What is wrong, one line for each edge; empty where nothing is. */
  readonly faults: readonly string[];
}

/** Judges the last counters of a run that has ended. */
export function judge(rows: readonly EdgeRow[]): Verdict {
  const faults: string[] = [];
  for (const row of rows) {
    const name = `${row.from} ─> ${row.to} of ${row.run}`;
    const missing = row.received - row.delivered - row.buffered - row.dropped;
    if (missing !== 0) faults.push(`${name}: ${missing} of ${row.received} packets are not accounted for`);
    if (row.dropped > 0) faults.push(`${name}: ${row.dropped} packets dropped (${row.dropReasons})`);
    if (row.buffered > 0) faults.push(`${name}: ${row.buffered} packets still buffered`);
  }
  if (rows.every((row) => row.received === 0)) faults.push("no packet was seen on any edge");
  return { isGood: faults.length === 0, faults };
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
