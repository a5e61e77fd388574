/** Tokens of Go's text/template, in Go's order of reading: a fault shows only when the parser gets there. */

export type TokenKind =
  | "text"
  | "leftDelim"
  | "rightDelim"
  | "space"
  | "identifier"
  | "keyword"
  | "bool"
  | "field"
  | "variable"
  | "dot"
  | "nil"
  | "number"
  | "string"
  | "rawString"
  | "character"
  | "pipe"
  | "declare"
  | "assign"
  | "leftParen"
  | "rightParen"
  | "other"
  | "error"
  | "end";

/** A token; of kind `error`, the text says what is wrong, and no more follow. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

const keywords: ReadonlySet<string> = new Set([
  "block",
  "break",
  "continue",
  "define",
  "else",
  "end",
  "if",
  "range",
  "template",
  "with",
]);

const spaceCharacters = " \t\r\n";

/** All tokens of a template; the last one is `end` or `error`. */
export function* scan(template: string): Generator<Token> {
  let at = 0;
  let trimNext = false;
  while (at < template.length) {
    const open = template.indexOf("{{", at);
    let text = template.slice(at, open < 0 ? template.length : open);
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, "");
    const trimsLeft = open >= 0 && hasLeftTrim(template, open + 2);
    if (trimsLeft) text = text.replace(/[ \t\r\n]+$/, "");
    if (text !== "") yield { kind: "text", text };
    if (open < 0) break;
    const inner = open + 2 + (trimsLeft ? 2 : 0);
    if (template.startsWith("/*", inner)) {
      const comment = /^\/\*[\s\S]*?\*\//.exec(template.slice(inner));
      if (comment === null) return yield { kind: "error", text: "unclosed comment" };
      const close = /^(?:[ \t\r\n]-)?\}\}/.exec(template.slice(inner + comment[0].length));
      if (close === null) return yield { kind: "error", text: "comment ends before closing delimiter" };
      trimNext = close[0].includes("-");
      at = inner + comment[0].length + close[0].length;
      continue;
    }
    yield { kind: "leftDelim", text: "{{" };
    const action = yield* scanAction(template, inner);
    if (action === null) return;
    trimNext = action.trimsRight;
    at = action.end;
  }
  yield { kind: "end", text: "" };
}

function hasLeftTrim(template: string, at: number): boolean {
  return template[at] === "-" && spaceCharacters.includes(template[at + 1] ?? "x");
}

/** Tokens up to the right delimiter; null after a fault. */
function* scanAction(
  template: string,
  start: number,
): Generator<Token, { readonly end: number; readonly trimsRight: boolean } | null> {
  let depth = 0;
  for (let at = start;;) {
    const close = /^(?:[ \t\r\n]-)?\}\}/.exec(template.slice(at, at + 4));
    if (close !== null) {
      if (depth > 0) return yield* fault("unclosed left paren");
      yield { kind: "rightDelim", text: "}}" };
      return { end: at + close[0].length, trimsRight: close[0].includes("-") };
    }
    if (at >= template.length) return yield* fault("unclosed action");
    const rest = template.slice(at);
    const token = nextToken(rest);
    if (token.kind === "leftParen") depth++;
    if (token.kind === "rightParen" && --depth < 0) return yield* fault("unexpected right paren");
    yield token;
    if (token.kind === "error") return null;
    at += token.text.length;
  }
}

function* fault(text: string): Generator<Token, null> {
  yield { kind: "error", text };
  return null;
}

function error(text: string): Token {
  return { kind: "error", text };
}

function nextToken(rest: string): Token {
  // A blank before a right delimiter with its trim marker belongs to the delimiter.
  const space = /^[ \t\r\n]+/.exec(rest)?.[0];
  if (space !== undefined) {
    const isTrim = rest.startsWith("-}}", space.length);
    return { kind: "space", text: isTrim && space.length > 1 ? space.slice(0, -1) : space };
  }
  const first = rest[0] ?? "";
  switch (first) {
    case "=":
      return { kind: "assign", text: "=" };
    case ":":
      return rest[1] === "=" ? { kind: "declare", text: ":=" } : error("expected :=");
    case "|":
      return { kind: "pipe", text: "|" };
    case "(":
      return { kind: "leftParen", text: "(" };
    case ")":
      return { kind: "rightParen", text: ")" };
    case '"': {
      const text = /^"(?:[^"\\\n]|\\[^\n])*"/.exec(rest)?.[0];
      return text === undefined ? error("unterminated quoted string") : { kind: "string", text };
    }
    case "`": {
      const text = /^`[^`]*`/.exec(rest)?.[0];
      return text === undefined ? error("unterminated raw quoted string") : { kind: "rawString", text };
    }
    case "'": {
      const text = /^'(?:[^'\\\n]|\\[^\n])*'/.exec(rest)?.[0];
      return text === undefined ? error("unterminated character constant") : { kind: "character", text };
    }
    case "$":
      return terminated("variable", /^\$[\p{L}\p{Nd}_]*/u.exec(rest)?.[0] ?? "$", rest);
    case ".":
      if (!/^\.[0-9]/.test(rest)) {
        const text = /^\.[\p{L}\p{Nd}_]*/u.exec(rest)?.[0] ?? ".";
        return text === "." ? terminated("dot", text, rest) : terminated("field", text, rest);
      }
  }
  if (/^[-+.0-9]/.test(first)) return numberToken(rest);
  const word = /^[\p{L}\p{Nd}_]+/u.exec(rest)?.[0];
  if (word !== undefined) return terminated(wordKind(word), word, rest);
  if (first >= " " && first <= "~") return { kind: "other", text: first };
  return error(`unrecognized character in action: ${unicode(rest)}`);
}

function wordKind(word: string): TokenKind {
  if (keywords.has(word)) return "keyword";
  if (word === "true" || word === "false") return "bool";
  return word === "nil" ? "nil" : "identifier";
}

/** A word must end where the next token can begin. */
function terminated(kind: TokenKind, text: string, rest: string): Token {
  const after = rest.slice(text.length);
  if (after === "" || /^(?:[ \t\r\n.,|:()]|\}\})/.test(after)) return { kind, text };
  return error(`bad character ${unicode(after)}`);
}

const numberPattern =
  /^[-+]?(?:0[xX][0-9a-fA-F_]*|0[bB][01_]*|0[oO][0-7_]*|[0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9_]+)?(?:[pP][-+]?[0-9_]+)?i?/;

function numberToken(rest: string): Token {
  const text = numberPattern.exec(rest)?.[0] ?? "";
  const digits = /[0-9]/.test(text);
  if (!digits || /^[\p{L}\p{Nd}_]/u.test(rest.slice(text.length))) return error("bad number syntax");
  return { kind: "number", text };
}

function unicode(text: string): string {
  const code = text.codePointAt(0) ?? 0;
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")} '${String.fromCodePoint(code)}'`;
}
