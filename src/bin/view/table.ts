/** Text in columns, and the few colours that the command line uses. */

export type Align = "left" | "right";

/** Rows in columns two spaces apart; columns named `right` in `align` end at the right. No spaces at line ends. */
export function table(rows: readonly (readonly string[])[], align: readonly Align[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, visibleLength(cell)));
  return rows.map((row) =>
    row.map((cell, i) => {
      const space = " ".repeat(widths[i]! - visibleLength(cell));
      return align[i] === "right" ? space + cell : cell + space;
    }).join("  ").trimEnd()
  );
}

/** Paints text, or leaves it as it is. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  mark(text: string): string;
}

export function paint(isColored: boolean): Paint {
  const with_ = (code: number) => (text: string) => isColored ? `\x1b[${code}m${text}\x1b[0m` : text;
  return { bold: with_(1), dim: with_(2), good: with_(32), bad: with_(31), mark: with_(36) };
}

/** `1.2 KiB`, `3.4 MiB`; below 1024 `17 B`. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`;
}

/** A rate without needless digits: `48.6`, `1250`. */
export function rateText(perSecond: number): string {
  return perSecond < 100 ? String(Math.round(perSecond * 10) / 10) : String(Math.round(perSecond));
}

function visibleLength(text: string): number {
  // deno-lint-ignore no-control-regex -- colours are control sequences
  return text.replace(/\x1b\[\d+m/g, "").length;
}
