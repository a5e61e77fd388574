/** Go durations: the text form of every time in settings, variables and flags (control-plane E-31). */

const unitNanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "µs": 1e3,
  "μs": 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

const maxNanoseconds = 2n ** 63n;

/**
 * Nanoseconds of a Go duration such as `1h30m`, `250ms`, `-1.5s` or `0`; null where Go's `time.ParseDuration`
 * refuses the text (no unit, blanks, beyond about 292 years).
 */
export function parseGoDuration(text: string): bigint | null {
  const sign = /^[-+]/.exec(text)?.[0] ?? "";
  const body = text.slice(sign.length);
  if (body === "0") return 0n;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return null;
  let total = 0n;
  for (const [, whole = "", fraction = "", unit = ""] of body.matchAll(/(\d*)\.?(\d*)([a-zµμ]+)/g)) {
    const scale = unitNanoseconds[unit] ?? 0;
    total += BigInt(whole === "" ? 0 : whole) * BigInt(scale) + fractionNanoseconds(fraction, scale);
    if (total > maxNanoseconds) return null;
  }
  if (sign === "-") return -total;
  return total === maxNanoseconds ? null : total;
}

/** Go keeps the digits that fit into an int64, multiplies in float64 and cuts. */
function fractionNanoseconds(digits: string, scale: number): bigint {
  const kept = digits.slice(0, 18);
  return kept === "" ? 0n : BigInt(Math.trunc(Number(kept) * (scale / 10 ** kept.length)));
}

/** The canonical Go text of a duration: `1m30s`, `250ms`, `0s`. */
export function formatGoDuration(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return "0s";
  const sign = nanoseconds < 0n ? "-" : "";
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  if (size < 1_000_000_000n) {
    const [unit, scale] = size < 1_000n
      ? ["ns", 1n] as const
      : size < 1_000_000n
      ? ["µs", 1_000n] as const
      : ["ms", 1_000_000n] as const;
    return `${sign}${decimal(size, scale)}${unit}`;
  }
  const minutes = size / 60_000_000_000n;
  const seconds = `${decimal(size % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return sign + seconds;
  return minutes < 60n ? `${sign}${minutes}m${seconds}` : `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

function decimal(value: bigint, scale: bigint): string {
  const digits = scale.toString().length - 1;
  const fraction = (value % scale).toString().padStart(digits, "0").replace(/0+$/, "");
  return digits === 0 || fraction === "" ? `${value / scale}` : `${value / scale}.${fraction}`;
}

/** Milliseconds of a positive Go duration; null for any other text. */
export function positiveDurationMs(text: string): number | null {
  const nanoseconds = parseGoDuration(text.trim());
  return nanoseconds === null || nanoseconds <= 0n ? null : Number(nanoseconds) / 1e6;
}
