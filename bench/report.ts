/** Figures as rows and as text: medians of rounds, ratios to each baseline, and the aims. */
import type { LoadResult } from "./job.ts";
import { baselines, type SubjectName } from "./subjects.ts";

/** One case: what is sent, and how. */
export interface Case {
  readonly packetBytes: number;
  readonly measure: "saturated" | "paced";
  /** Absent when saturated. */
  readonly ratePerSecond?: number;
}

/** A case of one subject over all rounds; also a row of the JSON file. */
export interface Row extends Case {
  readonly subject: SubjectName;
  readonly messagesPerSecond: number;
  readonly cpuMicrosPerMessage: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Messages sent that did not arrive, of all rounds. */
  readonly lost: number;
  /** Packets that our hub says it dropped in the whole run; null for a baseline. */
  readonly dropped: number | null;
  readonly subjectCores: number | null;
  readonly loadCores: number | null;
  readonly rounds: number;
}

/** The row of a case, each figure the median of its rounds. */
export function rowOf(subject: SubjectName, of: Case, results: readonly LoadResult[], dropped: number | null): Row {
  const middle = (read: (result: LoadResult) => number | null) =>
    median(results.map(read).filter((value) => value !== null));
  return {
    subject,
    ...of,
    messagesPerSecond: middle((result) => result.messagesPerSecond) ?? 0,
    cpuMicrosPerMessage: middle((result) => result.cpuMicrosPerMessage),
    p50Ms: middle((result) => result.p50Ms),
    p99Ms: middle((result) => result.p99Ms),
    lost: results.reduce((sum, result) => sum + result.sent - result.delivered, 0),
    dropped,
    subjectCores: middle((result) => result.subjectCores),
    loadCores: middle((result) => result.loadCores),
    rounds: results.length,
  };
}

/** The middle value; null of an empty list. */
export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** The table of one case. Ratios above 1 are better: messages per second when saturated, CPU time when paced. */
export function caseText(of: Case, rows: readonly Row[]): string {
  const isPaced = of.measure === "paced";
  const title = isPaced
    ? `${of.packetBytes} B at ${of.ratePerSecond}/s (× = CPU per message against)`
    : `${of.packetBytes} B saturated (× = messages per second against)`;
  const value = (row: Row) => isPaced ? row.cpuMicrosPerMessage : row.messagesPerSecond;
  const header = ["", "msg/s", "CPU µs/msg", "p50 ms", "p99 ms", "lost", "cores", "load", ...baselines.map(times)];
  const lines = rows.map((row) => [
    row.subject,
    Math.round(row.messagesPerSecond).toLocaleString("en"),
    fixed(row.cpuMicrosPerMessage, 2),
    fixed(row.p50Ms, 3),
    fixed(row.p99Ms, 3),
    String(row.lost),
    fixed(row.subjectCores, 2),
    fixed(row.loadCores, 2),
    ...baselines.map((baseline) => {
      const base = rows.find((other) => other.subject === baseline);
      const [own, theirs] = [value(row), base === undefined ? null : value(base)];
      if (own === null || theirs === null || own === 0 || theirs === 0) return "–";
      return (isPaced ? theirs / own : own / theirs).toFixed(2);
    }),
  ]);
  return `${title}\n${tableText([header, ...lines])}`;
}

/** Columns of equal width, the first to the left, the others to the right. */
export function tableText(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  ")
  ).join("\n");
}

export function fixed(value: number | null, digits: number): string {
  return value === null ? "–" : value.toFixed(digits);
}

interface Aim {
  readonly packetBytes: number;
  readonly subject: SubjectName;
  readonly against: SubjectName;
  readonly factor: number;
}

/** What the project aims at, on any machine. */
const aims: readonly Aim[] = [
  { packetBytes: 381, subject: "bobravoz", against: "connect-node", factor: 20 },
  { packetBytes: 381, subject: "bobravoz", against: "grpc-js", factor: 8 },
  { packetBytes: 381, subject: "bobravoz", against: "grpc-go", factor: 10 },
  { packetBytes: 381, subject: "bobravoz", against: "grpc-go-raw", factor: 1.5 },
  { packetBytes: 381, subject: "bobravoz", against: "tcp-pipe", factor: 0.5 },
  { packetBytes: 65536, subject: "bobravoz", against: "grpc-go", factor: 1.2 },
  { packetBytes: 65536, subject: "bobravoz", against: "grpc-go-raw", factor: 1 },
  { packetBytes: 65536, subject: "bobravoz", against: "tcp-pipe", factor: 0.7 },
  { packetBytes: 381, subject: "bobravoz-credits", against: "bobravoz", factor: 0.8 },
];

/**
 * Each aim whose rows are there, with what was reached. Beside it the same ratio of CPU time per message, which other
 * work on the machine disturbs less: where the two differ much, the messages per second say little.
 */
export function aimsText(rows: readonly Row[]): string {
  const saturated = (subject: SubjectName, packetBytes: number) =>
    rows.find((row) => row.subject === subject && row.packetBytes === packetBytes && row.measure === "saturated");
  const lines = aims.flatMap(({ packetBytes, subject, against, factor }) => {
    const [own, base] = [saturated(subject, packetBytes), saturated(against, packetBytes)];
    if (own === undefined || base === undefined) return [];
    const reached = own.messagesPerSecond / base.messagesPerSecond;
    const verdict = reached >= factor ? "reached" : "missed";
    const [ownCpu, baseCpu] = [own.cpuMicrosPerMessage, base.cpuMicrosPerMessage];
    const byCpu = ownCpu === null || baseCpu === null ? null : baseCpu / ownCpu;
    const name = `${packetBytes} B ${subject} / ${against}`;
    return [[name, `≥ ${factor}`, reached.toFixed(2), verdict, fixed(byCpu, 2)]];
  });
  return lines.length === 0 ? "" : tableText([["aim", "wanted", "is", "", "by CPU"], ...lines]);
}

function times(baseline: string): string {
  return `× ${baseline}`;
}
