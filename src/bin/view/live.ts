/**
 * What a person sees of running Stories: the topology with a reason for each edge, packets moving, the final account.
 * On a terminal a table is redrawn below the log; elsewhere plain lines come every few seconds.
 */
import type { Clock } from "../../contract/runtime.ts";
import { type CountEdges, type EdgeRow, edgeRows, type RunTopology } from "./edge-rows.ts";
import { judge, summaryLines, type Verdict } from "./summary.ts";
import { bytesText, paint as paintWith, rateText, table } from "./table.ts";
import { edgeLines, modeText } from "./topology-text.ts";

/** A child process as the view names it. */
export interface ChildState {
  readonly step: string;
  /** `running`, `exited 0`, `restarting` … */
  readonly state: string;
}

export interface ViewOptions {
  /** The decisions in force; asked at each drawing, so that edits show. */
  readonly decisions: () => readonly RunTopology[];
  /** Counters of hub edges and of reported peer-to-peer edges alike. */
  readonly edges: CountEdges;
  readonly children?: () => readonly ChildState[];
  /** Writes text; it holds its newlines. */
  readonly out: (text: string) => void;
  /** True: a table that is redrawn. False: plain lines. */
  readonly isTerminal: boolean;
  /** Default: as `isTerminal`. */
  readonly isColored?: boolean;
  /** Width at which lines of the table are cut; default 120. */
  readonly columns?: number;
  readonly clock: Clock;
}

export interface View {
  /** Writes a line above the table, or just writes it. */
  print(line: string): void;
  /** Ends the view: prints the summary and answers its verdict. Idempotent. */
  stop(): Verdict;
}

const redrawMs = 500;
/** Redraws per plain line: plain lines come every 2 s, a changed topology at once. */
const redrawsPerPlain = 4;

/** Prints the topology, then shows traffic until `stop`. A topology that changes is printed again. */
export function startView(options: ViewOptions): View {
  const { clock, out, isTerminal } = options;
  const paint = paintWith(options.isColored ?? isTerminal);
  let drawn: readonly string[] = [];
  let shown: ReadonlySet<string> = new Set();
  let last = new Map<string, EdgeRow>();
  let lastMs = clock.monotonicMs();
  let verdict: Verdict | null = null;

  const erase = () => {
    if (drawn.length > 0) out(`\x1b[${drawn.length}A\x1b[J`);
    drawn = [];
  };
  const put = (lines: readonly string[]) => {
    out(lines.join(""));
    drawn = lines;
  };

  // All of it at first, then the lines that are new.
  const printTopology = () => {
    const lines = options.decisions().flatMap(({ namespace, storyRun, topology }) => {
      const about = [
        ...edgeLines(topology, paint),
        ...topology.warnings.map((warning) => `warning: ${warning}`),
        ...topology.faults.map((fault) => paint.bad(`${fault.reason}: ${fault.message}`)),
      ];
      return [paint.bold(`${namespace}/${storyRun}`), ...about.map((line) => `  ${line}`)];
    });
    // The spaces between columns move with the longest cell.
    const keys = lines.map((line) => line.replace(/ +/g, " "));
    const news = lines.filter((_, i) => !shown.has(keys[i]!));
    shown = new Set(keys);
    if (news.length === 0) return;
    erase();
    out(news.map((line) => line + "\n").join(""));
  };

  const draw = () => {
    printTopology();
    const nowMs = clock.monotonicMs();
    const seconds = Math.max((nowMs - lastMs) / 1000, 0.001);
    const rows = edgeRows(options.decisions(), options.edges);
    const rates = rows.map((row) => {
      const before = last.get(keyOf(row));
      return {
        packets: (row.received - (before?.received ?? 0)) / seconds,
        bytes: (row.receivedBytes - (before?.receivedBytes ?? 0)) / seconds,
      };
    });
    last = new Map(rows.map((row) => [keyOf(row), row]));
    lastMs = nowMs;
    if (!isTerminal) {
      rows.forEach((row, i) => {
        const { packets, bytes } = rates[i]!;
        out(
          `${row.from} ─> ${row.to}: ${wayOf(row)}, ${rateText(packets)} packets/s, ${bytesText(bytes)}/s, ` +
            `${row.received} received, ${row.buffered} buffered, ${row.dropped} dropped\n`,
        );
      });
      return;
    }
    const head = ["edge", "mode", "reason", "packets/s", "bytes/s", "total", "buffered", "dropped"].map(paint.bold);
    const lines = table(
      [
        head,
        ...rows.map((row, i) => [
          `${row.from} ─> ${row.to}`,
          row.decision === null ? "gone" : modeText(row.decision),
          row.decision?.reason ?? "",
          rateText(rates[i]!.packets),
          bytesText(rates[i]!.bytes),
          String(row.received),
          String(row.buffered),
          row.dropped > 0 ? paint.bad(String(row.dropped)) : "0",
        ]),
      ],
      ["left", "left", "left", "right", "right", "right", "right", "right"],
    );
    const children = options.children?.() ?? [];
    if (children.length > 0) {
      lines.push(paint.dim(children.map((child) => `${child.step} ${child.state}`).join(", ")));
    }
    erase();
    put(lines.map((line) => cut(line, options.columns ?? 120) + "\n"));
  };

  printTopology();
  let ticks = 0;
  const timer = clock.every(redrawMs, () => {
    ticks++;
    if (isTerminal || ticks % redrawsPerPlain === 0) draw();
    else printTopology();
  });
  return {
    print(line) {
      const below = drawn;
      erase();
      out(line + "\n");
      if (below.length > 0) put(below);
    },
    stop() {
      if (verdict !== null) return verdict;
      timer.cancel();
      erase();
      const rows = edgeRows(options.decisions(), options.edges);
      verdict = judge(rows);
      out(summaryLines(rows, verdict, paint).map((line) => line + "\n").join(""));
      return verdict;
    },
  };
}

function wayOf({ decision }: EdgeRow): string {
  return decision === null ? "gone" : `${modeText(decision)} (${decision.reason})`;
}

function keyOf(row: EdgeRow): string {
  return `${row.run}\0${row.from}\0${row.to}`;
}

/** The line's first `columns` visible characters: a longer one would wrap and break the redrawing. */
function cut(line: string, columns: number): string {
  let visible = 0;
  let text = "";
  // deno-lint-ignore no-control-regex -- colours are control sequences
  for (const part of line.split(/(\x1b\[\d+m)/)) {
    if (part.startsWith("\x1b[")) {
      text += part;
      continue;
    }
    const room = Math.max(columns - visible, 0);
    text += part.slice(0, room);
    visible += Math.min(part.length, room);
  }
  return text;
}
