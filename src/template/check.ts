/** Whether a template may stand where it does: it parses, and reads only what its scope offers (data-plane 9.11). */
import { trimSpace } from "../contract/go-text.ts";
import { alwaysAllowed, clockFunctions, randomFunctions } from "./function-names.ts";
import { normalizeTemplate } from "./normalize.ts";
import { type Command, type Node, type Operand, parseTemplate, type Pipe } from "./parse.ts";

/** What a template of a kind may use. */
export interface TemplateScope {
  readonly name: string;
  /** Roots that it may read, out of `inputs`, `steps` and `packet`. */
  readonly roots: readonly string[];
  readonly allowNow: boolean;
  readonly allowRandom: boolean;
  readonly allowRange: boolean;
}

/** `if`, `runtime` and routing rules of realtime Stories. */
export const realtimeRuntime: TemplateScope = {
  name: "realtime-runtime",
  roots: ["inputs", "steps", "packet"],
  allowNow: true,
  allowRandom: true,
  allowRange: true,
};

/** Functions that read the machine, which admission refuses by name wherever they stand in an action. */
const deniedFunctions = ["env", "expandenv", "getHostByName"] as const;

/** Null for a template that admission takes, else its sentence. */
export function checkTemplate(template: string, scope: TemplateScope): string | null {
  return deniedFunction(template) ?? scopeFault(template, scope);
}

function deniedFunction(template: string): string | null {
  for (const [, action = ""] of template.matchAll(/\{\{([\s\S]*?)\}\}/g)) {
    const denied = deniedFunctions.find((name) => new RegExp(`\\b${name}\\b`).test(action));
    if (denied !== undefined) return `template expression uses disallowed function '${denied}'`;
  }
  return null;
}

/** The faults of a template in a scope, joined; null without one. */
export function scopeFault(template: string, scope: TemplateScope): string | null {
  if (!template.includes("{{")) return null;
  const parsed = parseTemplate(
    normalizeTemplate(template),
    (name) =>
      alwaysAllowed.has(name) || (scope.allowNow && clockFunctions.has(name)) ||
      (scope.allowRandom && randomFunctions.has(name)),
  );
  if ("fault" in parsed) return `template: validate:1: ${parsed.fault}`;
  const faults = [...faultsOf(parsed.nodes, scope)];
  return faults.length === 0 ? null : faults.join("; ");
}

function* faultsOf(nodes: readonly Node[], scope: TemplateScope): Generator<string> {
  for (const node of nodes) {
    switch (node.kind) {
      case "action":
        yield* faultsOfPipe(node.pipe, scope);
        break;
      case "if":
      case "range":
      case "with":
        if (node.kind === "range" && !scope.allowRange) yield `range is not allowed for ${nameOf(scope)} templates`;
        yield* faultsOfPipe(node.pipe, scope);
        yield* faultsOf(node.body, scope);
        yield* faultsOf(node.otherwise, scope);
        break;
      case "template":
        yield `template inclusion is not supported (${node.name})`;
        break;
      case "text":
      case "break":
      case "continue":
        break;
      default:
        node satisfies never;
    }
  }
}

function nameOf(scope: TemplateScope): string {
  return trimSpace(scope.name) === "" ? "this" : scope.name;
}

function* faultsOfPipe(pipe: Pipe, scope: TemplateScope): Generator<string> {
  for (const command of pipe.commands) {
    // A root that a function names as text; one that it is given as a field is judged with the arguments.
    const root = rootOfCall(command);
    if (root !== undefined) yield* rootFault(root, scope);
    for (const operand of command.args) yield* faultsOfOperand(operand, scope);
  }
}

function* faultsOfOperand(operand: Operand, scope: TemplateScope): Generator<string> {
  if (operand.kind === "field") yield* rootFault(operand.fields[0] ?? "", scope);
  if (operand.kind === "pipe") yield* faultsOfPipe(operand.pipe, scope);
  if (operand.kind !== "chain" || operand.base.kind === "variable") return;
  const root = rootOf(operand.base);
  if (root !== undefined) yield* rootFault(root === "." ? operand.fields[0] ?? "" : root, scope);
}

function* rootFault(root: string, scope: TemplateScope): Generator<string> {
  const isKnown = root === "inputs" || root === "steps" || root === "packet";
  if (isKnown && scope.roots.includes(root)) return;
  yield `${isKnown ? "" : "unknown "}context '${root}' is not allowed for ${nameOf(scope)} templates`;
}

/** The root that a value begins at; `.` for the dot itself; undefined where it begins at none. */
function rootOf(operand: Operand | undefined): string | undefined {
  switch (operand?.kind) {
    case "field":
      return operand.fields[0];
    case "dot":
      return ".";
    case "pipe":
      return rootOfCommand(operand.pipe.commands[0]);
    case "chain":
      return operand.base.kind === "dot" ? operand.fields[0] : rootOf(operand.base);
    default:
      return undefined;
  }
}

function rootOfCommand(command: Command | undefined): string | undefined {
  const [first] = command?.args ?? [];
  if (first?.kind === "identifier") return command === undefined ? undefined : rootOfCall(command);
  return rootOf(first);
}

/** The root that `index`, `get` (first argument) and `dig` (last argument) read. */
function rootOfCall({ args: [name, ...args] }: Command): string | undefined {
  if (name?.kind !== "identifier") return undefined;
  const isDig = name.name === "dig";
  if (!isDig && name.name !== "index" && name.name !== "get") return undefined;
  const root = rootOf(isDig ? args.at(-1) : args[0]);
  if (root !== ".") return root;
  const key = isDig ? args[0] : args[1];
  return key?.kind === "string" ? key.text : undefined;
}
