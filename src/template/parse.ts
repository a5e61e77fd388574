/** The tree of a template, as Go's text/template/parse builds it; nothing is evaluated here. */
import { scan, type Token } from "./scan.ts";

export type Node =
  | { readonly kind: "text" }
  | { readonly kind: "action"; readonly pipe: Pipe }
  | {
    readonly kind: "if" | "range" | "with";
    readonly pipe: Pipe;
    readonly body: readonly Node[];
    readonly otherwise: readonly Node[];
  }
  | { readonly kind: "template"; readonly name: string; readonly pipe: Pipe | null }
  | { readonly kind: "break" | "continue" };

export interface Pipe {
  readonly declares: readonly string[];
  readonly commands: readonly Command[];
}

export interface Command {
  readonly args: readonly Operand[];
}

export type Operand =
  | { readonly kind: "dot" | "nil" | "bool" | "number" | "character" }
  | { readonly kind: "string"; readonly text: string }
  | { readonly kind: "identifier"; readonly name: string }
  | { readonly kind: "variable"; readonly name: string; readonly fields: readonly string[] }
  | { readonly kind: "field"; readonly fields: readonly string[] }
  | { readonly kind: "pipe"; readonly pipe: Pipe }
  | { readonly kind: "chain"; readonly base: Operand; readonly fields: readonly string[] };

/** The tree, or the first fault in Go's words. */
export type Parse = { readonly nodes: readonly Node[] } | { readonly fault: string };

/** Parses a template that may call the functions that `isFunction` knows. */
export function parseTemplate(template: string, isFunction: (name: string) => boolean): Parse {
  try {
    return { nodes: new Parser(template, isFunction).parse() };
  } catch (error) {
    if (error instanceof SyntaxFault) return { fault: error.message };
    throw error;
  }
}

/** Unwinds the parser; never leaves this file. */
class SyntaxFault extends Error {}

class Parser {
  readonly #tokens: Generator<Token>;
  readonly #isFunction: (name: string) => boolean;
  readonly #ahead: Token[] = [];
  readonly #variables: string[] = ["$"];
  readonly #defined = new Set<string>();
  #rangeDepth = 0;

  constructor(template: string, isFunction: (name: string) => boolean) {
    this.#tokens = scan(template);
    this.#isFunction = isFunction;
  }

  parse(): readonly Node[] {
    const nodes: Node[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === "end") return nodes;
      if (token.kind === "leftDelim") {
        const first = this.#nextNonSpace();
        if (isKeyword(first, "define")) {
          this.#definition();
          continue;
        }
        this.#back(first);
      }
      this.#back(token);
      const node = this.#textOrAction();
      if (typeof node === "string") throw new SyntaxFault(`unexpected {{${node}}}`);
      nodes.push(node);
    }
  }

  #next(): Token {
    const token = this.#ahead.pop() ?? this.#tokens.next().value as Token | undefined ?? { kind: "end", text: "" };
    if (token.kind === "error") throw new SyntaxFault(token.text);
    return token;
  }

  #back(token: Token): void {
    this.#ahead.push(token);
  }

  #nextNonSpace(): Token {
    for (;;) {
      const token = this.#next();
      if (token.kind !== "space") return token;
    }
  }

  #peekNonSpace(): Token {
    const token = this.#nextNonSpace();
    this.#back(token);
    return token;
  }

  #expect(kind: Token["kind"], context: string): Token {
    const token = this.#nextNonSpace();
    return token.kind === kind ? token : unexpected(token, context);
  }

  #definition(): void {
    const context = "define clause";
    const name = this.#name(context);
    if (this.#defined.has(name)) throw new SyntaxFault(`template: multiple definition of template "${name}"`);
    this.#defined.add(name);
    this.#expect("rightDelim", context);
    const { end } = this.#inOwnScope(() => this.#list());
    if (end !== "end") throw new SyntaxFault(`unexpected {{${end}}} in ${context}`);
  }

  #name(context: string): string {
    const token = this.#nextNonSpace();
    if (token.kind !== "string" && token.kind !== "rawString") return unexpected(token, context);
    return unquote(token);
  }

  /** A definition sees neither variables nor loops of what is around it. */
  #inOwnScope<Result>(run: () => Result): Result {
    const variables = this.#variables.splice(1);
    const depth = this.#rangeDepth;
    this.#rangeDepth = 0;
    const result = run();
    this.#rangeDepth = depth;
    this.#variables.splice(1, Infinity, ...variables);
    return result;
  }

  /** A node, or the word of the clause that ends a list. */
  #textOrAction(): Node | "end" | "else" {
    const token = this.#nextNonSpace();
    if (token.kind === "text") return { kind: "text" };
    return token.kind === "leftDelim" ? this.#action() : unexpected(token, "input");
  }

  #list(): { readonly nodes: readonly Node[]; readonly end: "end" | "else" } {
    const nodes: Node[] = [];
    while (this.#peekNonSpace().kind !== "end") {
      const node = this.#textOrAction();
      if (typeof node === "string") return { nodes, end: node };
      nodes.push(node);
    }
    throw new SyntaxFault("unexpected EOF");
  }

  #action(): Node | "end" | "else" {
    const token = this.#nextNonSpace();
    if (token.kind === "keyword") {
      switch (token.text) {
        case "end":
          this.#expect("rightDelim", "end");
          return "end";
        case "else": {
          const next = this.#peekNonSpace();
          if (!isKeyword(next, "if") && !isKeyword(next, "with")) this.#expect("rightDelim", "else");
          return "else";
        }
        case "if":
        case "range":
        case "with":
          return this.#control(token.text);
        case "break":
        case "continue":
          this.#expect("rightDelim", `{{${token.text}}}`);
          if (this.#rangeDepth === 0) throw new SyntaxFault(`{{${token.text}}} outside {{range}}`);
          return { kind: token.text };
        case "template":
          return this.#template("template clause");
        case "block":
          return this.#block();
      }
    }
    this.#back(token);
    return { kind: "action", pipe: this.#pipeline("command", "rightDelim") };
  }

  #template(context: string): Node {
    const name = this.#name(context);
    if (this.#peekNonSpace().kind === "rightDelim") {
      this.#nextNonSpace();
      return { kind: "template", name, pipe: null };
    }
    return { kind: "template", name, pipe: this.#pipeline(context, "rightDelim") };
  }

  #block(): Node {
    const context = "block clause";
    const name = this.#name(context);
    const pipe = this.#pipeline(context, "rightDelim");
    const { end } = this.#inOwnScope(() => this.#list());
    if (end !== "end") throw new SyntaxFault(`unexpected {{${end}}} in ${context}`);
    return { kind: "template", name, pipe };
  }

  #control(kind: "if" | "range" | "with"): Node {
    const outer = this.#variables.length;
    const pipe = this.#pipeline(kind, "rightDelim");
    if (kind === "range") this.#rangeDepth++;
    const { nodes: body, end } = this.#list();
    if (kind === "range") this.#rangeDepth--;
    const otherwise = end === "else" ? this.#otherwise(kind) : [];
    this.#variables.length = outer;
    return { kind, pipe, body, otherwise };
  }

  /** What follows `else`: `else if` in an if and `else with` in a with end with the outer clause. */
  #otherwise(kind: "if" | "range" | "with"): readonly Node[] {
    const next = this.#peekNonSpace();
    if ((kind === "if" || kind === "with") && isKeyword(next, kind)) {
      this.#nextNonSpace();
      return [this.#control(kind)];
    }
    const { nodes, end } = this.#list();
    if (end !== "end") throw new SyntaxFault(`expected end; found {{${end}}}`);
    return nodes;
  }

  #pipeline(context: string, end: "rightDelim" | "rightParen"): Pipe {
    const declares = this.#declarations(context);
    const commands: Command[] = [];
    for (;;) {
      const token = this.#nextNonSpace();
      if (token.kind === end) {
        checkPipe(commands, context);
        return { declares, commands };
      }
      if (!operandKinds.has(token.kind)) return unexpected(token, context);
      this.#back(token);
      commands.push(this.#command());
    }
  }

  #declarations(context: string): readonly string[] {
    const declares: string[] = [];
    for (;;) {
      const variable = this.#nextNonSpace();
      if (variable.kind !== "variable") {
        this.#back(variable);
        return declares;
      }
      const space = this.#next();
      const next = space.kind === "space" ? this.#nextNonSpace() : space;
      if (next.kind === "declare" || next.kind === "assign") {
        declares.push(variable.text);
        this.#variables.push(variable.text);
        return declares;
      }
      if (next.kind !== "other" || next.text !== ",") {
        this.#back(next);
        if (space.kind === "space") this.#back(space);
        this.#back(variable);
        return declares;
      }
      declares.push(variable.text);
      this.#variables.push(variable.text);
      if (context !== "range" || declares.length >= 2) {
        throw new SyntaxFault(`too many declarations in ${context}`);
      }
      const after = this.#peekNonSpace();
      if (after.kind !== "variable" && after.kind !== "rightDelim" && after.kind !== "rightParen") {
        throw new SyntaxFault("range can only initialize variables");
      }
    }
  }

  #command(): Command {
    const args: Operand[] = [];
    for (;;) {
      this.#peekNonSpace();
      const operand = this.#operand();
      if (operand !== null) args.push(operand);
      const token = this.#next();
      if (token.kind === "space") continue;
      if (token.kind === "rightDelim" || token.kind === "rightParen") this.#back(token);
      else if (token.kind !== "pipe") unexpected(token, "operand");
      break;
    }
    if (args.length === 0) throw new SyntaxFault("empty command");
    return { args };
  }

  #operand(): Operand | null {
    const base = this.#term();
    if (base === null) return null;
    const fields: string[] = [];
    for (let token = this.#next();; token = this.#next()) {
      if (token.kind !== "field") {
        this.#back(token);
        break;
      }
      fields.push(token.text.slice(1));
    }
    if (fields.length === 0) return base;
    switch (base.kind) {
      case "field":
      case "variable":
        return { ...base, fields: [...base.fields, ...fields] };
      case "bool":
      case "string":
      case "number":
      case "character":
      case "nil":
      case "dot":
        throw new SyntaxFault("unexpected . after term");
      default:
        return { kind: "chain", base, fields };
    }
  }

  #term(): Operand | null {
    const token = this.#nextNonSpace();
    switch (token.kind) {
      case "identifier":
        if (!this.#isFunction(token.text)) throw new SyntaxFault(`function "${token.text}" not defined`);
        return { kind: "identifier", name: token.text };
      case "dot":
      case "nil":
      case "bool":
        return { kind: token.kind };
      case "character":
        if (!isCharacter(token.text)) throw new SyntaxFault(`malformed character constant: ${token.text}`);
        return { kind: token.kind };
      case "number":
        if (!isNumber(token.text)) throw new SyntaxFault(`bad number syntax: "${token.text}"`);
        return { kind: "number" };
      case "variable":
        if (!this.#variables.includes(token.text)) throw new SyntaxFault(`undefined variable "${token.text}"`);
        return { kind: "variable", name: token.text, fields: [] };
      case "field":
        return { kind: "field", fields: [token.text.slice(1)] };
      case "leftParen":
        return { kind: "pipe", pipe: this.#pipeline("parenthesized pipeline", "rightParen") };
      case "string":
      case "rawString":
        return { kind: "string", text: unquote(token) };
      default:
        this.#back(token);
        return null;
    }
  }
}

const operandKinds: ReadonlySet<Token["kind"]> = new Set<Token["kind"]>([
  "bool",
  "character",
  "dot",
  "field",
  "identifier",
  "number",
  "nil",
  "rawString",
  "string",
  "variable",
  "leftParen",
]);

function isKeyword(token: Token, word: string): boolean {
  return token.kind === "keyword" && token.text === word;
}

function unexpected(token: Token, context: string): never {
  throw new SyntaxFault(token.kind === "end" ? `unexpected EOF` : `unexpected "${token.text}" in ${context}`);
}

/** Only the first command of a pipeline may be a plain value. */
function checkPipe(commands: readonly Command[], context: string): void {
  if (commands.length === 0) throw new SyntaxFault(`missing value for ${context}`);
  for (const [i, { args }] of commands.entries()) {
    const kind = args[0]?.kind;
    if (i > 0 && (kind === "bool" || kind === "dot" || kind === "nil" || kind === "number" || kind === "string")) {
      throw new SyntaxFault(`non executable command in pipeline stage ${i + 1}`);
    }
  }
}

/** Whether a number has a value in Go: a float64, or an integer of at most 64 bits. */
function isNumber(text: string): boolean {
  const digits = text.replace(/^[-+]/, "").replace(/i$/, "").replaceAll(/(?<=[0-9a-fA-FxXoObB])_(?=[0-9a-fA-F])/g, "");
  if (/^(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[0-9]+)$/.test(digits)) {
    const value = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits.toLowerCase());
    return value < 2n ** (text.startsWith("-") ? 63n : 64n) || (text.startsWith("-") && value === 2n ** 63n);
  }
  if (/^0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][-+]?[0-9]+$/.test(digits)) return true;
  return /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$/.test(digits) && Number.isFinite(Number(digits));
}

/** Whether a character constant holds one character. */
function isCharacter(text: string): boolean {
  return /^'(?:[^'\\]|\\(?:[abfnrtv\\']|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}))'$/u.test(text);
}

function unquote({ kind, text }: Token): string {
  const body = text.slice(1, -1);
  if (kind === "rawString") return body.replaceAll("\r", "");
  let isValid = true;
  const plain = body.replace(
    /\\(?:([abfnrtv\\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|.?)/gs,
    (match, short?: string, x?: string, u?: string, big?: string, octal?: string) => {
      const hex = x ?? u ?? big;
      const code = hex !== undefined ? Number.parseInt(hex, 16) : octal !== undefined ? Number.parseInt(octal, 8) : 0;
      if (short !== undefined) return shortEscapes[short] ?? short;
      const isCodePoint = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) && (octal === undefined || code <= 255);
      if ((hex === undefined && octal === undefined) || !isCodePoint) {
        isValid = false;
        return match;
      }
      return String.fromCodePoint(code);
    },
  );
  if (!isValid) throw new SyntaxFault("invalid syntax");
  return plain;
}

const shortEscapes: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
