/** Text as Go sees it, where JavaScript sees it differently. */

const spaces = "[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const leadingSpaces = new RegExp(`^${spaces}`);
const trailingSpaces = new RegExp(`${spaces}$`);

/** White space as Go's `strings.TrimSpace` sees it, which unlike `trim` keeps U+FEFF and takes U+0085. */
export function trimSpace(text: string): string {
  return text.replace(leadingSpaces, "").replace(trailingSpaces, "");
}

/** Lower-cases character by character as Go does: no context (final sigma) and no expansion (dotted capital I). */
export function lowerCase(text: string): string {
  let result = "";
  for (const character of text) {
    result += character === "\u0130" ? "i" : character.toLowerCase();
  }
  return result;
}

const shortEscapes: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  '"': '\\"',
  "\\": "\\\\",
};

/** A text as Go's `%q` writes it: double quotes, what does not print escaped. */
export function goQuote(text: string): string {
  let result = "";
  for (const character of text.toWellFormed()) result += shortEscapes[character] ?? escapeUnprintable(character);
  return `"${result}"`;
}

function escapeUnprintable(character: string): string {
  if (/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code < 0x80) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** A number as Go's `%v` writes a float64: shortest, in exponent form below 1e-4 and from 1000000 on. */
export function formatGoFloat(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const [digits = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  // Between the two bounds JavaScript prints every digit, too.
  if (exponent >= -4 && exponent < 6) return String(value);
  const sign = exponent < 0 ? "-" : "+";
  return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** An integer text as Go's `strconv.Atoi` reads it: an optional sign and ASCII digits; null for anything else. */
export function parseGoInteger(text: string): bigint | null {
  if (!/^[-+]?[0-9]+$/.test(text)) return null;
  return BigInt(text.startsWith("+") ? text.slice(1) : text);
}
