/**
 * The textual step before parsing (data-plane 9.3): inside actions bare roots get their dot, and `recv["key"]`
 * becomes `(index recv "key")`.
 */
import { goQuote } from "../contract/go-text.ts";
import { parseJson } from "../contract/json-text.ts";

/** Parts of an action in which nothing is rewritten. */
const literal = /"(?:[^"\\]|\\.)*"?|`[^`]*`?|'(?:[^'\\]|\\.)*'?|\/\*[\s\S]*?(?:\*\/|$)/y;

/** The template with its actions normalised; an unterminated action is copied as it is. */
export function normalizeTemplate(template: string): string {
  let result = "";
  let at = 0;
  for (;;) {
    const open = template.indexOf("{{", at);
    const close = open < 0 ? -1 : actionEnd(template, open + 2);
    if (close < 0) return result + template.slice(at);
    result += template.slice(at, open) + rewriteSubscripts(dotRoots(template.slice(open, close)));
    at = close;
  }
}

/** Position after the `}}` that ends an action, texts and comments stepped over; negative without one. */
function actionEnd(template: string, start: number): number {
  for (let at = start; at < template.length;) {
    const end = literalEnd(template, at);
    if (end > at) at = end;
    else if (template.startsWith("}}", at)) return at + 2;
    else at++;
  }
  return -1;
}

/** End of the text or comment that begins at a position; the position itself where none begins. */
function literalEnd(text: string, at: number): number {
  literal.lastIndex = at;
  return literal.exec(text) === null ? at : literal.lastIndex;
}

/** Applies `replace` to what lies between texts and comments. */
function outsideLiterals(action: string, replace: (code: string, before: string) => string): string {
  let result = "";
  let code = 0;
  for (let at = 0; at <= action.length;) {
    const end = at === action.length ? at : literalEnd(action, at);
    if (at < action.length && end === at) {
      at++;
      continue;
    }
    result += replace(action.slice(code, at), result) + action.slice(at, end);
    code = end;
    at = Math.max(end, at + 1);
  }
  return result;
}

function dotRoots(action: string): string {
  return outsideLiterals(
    action,
    (code, before) =>
      (before.slice(-1) + code).replace(
        /(?<![\p{L}\p{Nd}_.$])(?:inputs|steps|packet)(?![\p{L}\p{Nd}_])/gu,
        (root) => `.${root}`,
      ).slice(before === "" ? 0 : 1),
  );
}

/** Rewrites double-quoted subscripts, the leftmost first, until none is left. */
function rewriteSubscripts(action: string): string {
  for (let from = 0;;) {
    const open = nextSubscript(action, from);
    if (open < 0) return action;
    const key = subscriptKey(action.slice(open));
    const start = key === null ? open : receiverStart(action, open);
    if (key === null || start === open) {
      from = open + 1;
      continue;
    }
    const receiver = action.slice(start, open);
    action = `${action.slice(0, start)}(index ${receiver} ${key.text})${action.slice(open + key.length)}`;
    from = 0;
  }
}

/**
 * The next `[` outside of texts. The existing step takes an escaped quote for the end of a text, so that nothing
 * after it is rewritten any more.
 */
function nextSubscript(action: string, from: number): number {
  let quote = "";
  for (let at = 0; at < action.length; at++) {
    const character = action[at] ?? "";
    if (quote !== "") {
      if (character === quote) quote = "";
    } else if (action.startsWith("/*", at)) {
      const end = action.indexOf("*/", at);
      if (end < 0) return -1;
      at = end + 1;
    } else if (character === '"' || character === "'" || character === "`") {
      quote = character;
    } else if (character === "[" && at >= from) {
      return at;
    }
  }
  return -1;
}

/** The key of a subscript as it is written again; null where it is none. */
function subscriptKey(rest: string): { readonly length: number; readonly text: string } | null {
  const [whole, double, single] = /^\[(?:("(?:[^"\\]|\\.)*")|'([^'"\\])')\]/.exec(rest) ?? [];
  if (whole === undefined) return null;
  if (single !== undefined) return { length: whole.length, text: goQuote(single) };
  const parsed = parseJson(double ?? "");
  // What JSON does not read is copied.
  const isText = "node" in parsed && parsed.node.kind === "string";
  return { length: whole.length, text: isText ? goQuote(parsed.node.text) : double ?? "" };
}

/**
 * Where the receiver of a subscript begins: the longest run before it of letters, digits, `.`, `_`, `-` and groups
 * in parentheses.
 */
function receiverStart(action: string, open: number): number {
  let at = open;
  while (at > 0) {
    const run = /[\p{L}\p{Nd}._-]+$/u.exec(action.slice(0, at))?.[0].length ?? 0;
    const group = run > 0 ? at - run : groupStart(action, at);
    if (group === at) break;
    at = group;
  }
  return at;
}

/** Where the group that ends at a position begins; the position itself where none ends. */
function groupStart(action: string, end: number): number {
  if (action[end - 1] !== ")") return end;
  let depth = 0;
  for (let at = end - 1; at >= 0; at--) {
    if (action[at] === ")") depth++;
    if (action[at] === "(" && --depth === 0) return at;
  }
  return end;
}
