/** Text as Go sees it, where JavaScript sees it differently. */

/** White space as Go's `strings.TrimSpace` sees it, which unlike `trim` keeps U+FEFF and takes U+0085. */
export function trimSpace(text: string): string {
  return text.replace(/^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/, "")
    .replace(/[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/, "");
}

/** Lower-cases character by character as Go does: no context (final sigma) and no expansion (dotted capital I). */
export function lowerCase(text: string): string {
  let result = "";
  for (const character of text) {
    result += character === "\u0130" ? "i" : character.toLowerCase();
  }
  return result;
}
