/** Memory of idle streams: a fresh subject, a thousand registered Process streams, no packets. */
import type { BenchOptions } from "./options.ts";
import { median, tableText } from "./report.ts";
import { runJob } from "./run-job.ts";
import { startSubject, type SubjectName, type SubjectOptions } from "./subjects.ts";

/** Streams that are opened; over TCP they are connections. */
export const idleStreams = 1000;

export interface IdleRow {
  readonly subject: SubjectName;
  readonly rssPerStreamBytes: number | null;
  /** Resident memory before the streams, with ten connections open. */
  readonly rssBeforeBytes: number | null;
  readonly streams: number;
}

/** Measures every subject `rounds` times, each with a process of its own, and prints the medians. */
export async function benchIdle(options: BenchOptions, subjectOptions: SubjectOptions): Promise<readonly IdleRow[]> {
  const rows: IdleRow[] = [];
  for (const name of options.subjects) {
    const perStream: number[] = [];
    const before: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const subject = await startSubject(name, { ...subjectOptions, runs: idleStreams / 2 + 1 });
      try {
        const { protocol, port, pid } = subject;
        const result = await runJob({
          measure: "idle",
          protocol,
          port,
          pid,
          returnsCredits: false,
          streams: idleStreams,
          settleSeconds: 2,
        });
        if (result.ended > 0) throw new Error(`${name} ended ${result.ended} of ${idleStreams} idle streams`);
        if (result.rssPerStreamBytes !== null) perStream.push(result.rssPerStreamBytes);
        if (result.rssBeforeBytes !== null) before.push(result.rssBeforeBytes);
      } finally {
        await subject.stop();
      }
    }
    rows.push({
      subject: name,
      rssPerStreamBytes: median(perStream),
      rssBeforeBytes: median(before),
      streams: idleStreams,
    });
  }
  const kilobytes = (bytes: number | null) => bytes === null ? "–" : (bytes / 1024).toFixed(1);
  const lines = rows.map((row) => [row.subject, kilobytes(row.rssPerStreamBytes), kilobytes(row.rssBeforeBytes)]);
  console.log(`${idleStreams} idle streams\n${tableText([["", "KiB each", "KiB before"], ...lines])}\n`);
  return rows;
}
