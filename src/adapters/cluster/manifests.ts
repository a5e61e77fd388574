/** Manifests as text: several YAML or JSON documents become objects, or faults with line and column. */
import { isMap, isSeq, LineCounter, type Node, parseAllDocuments } from "yaml";
import { type Fault, parseResource } from "../../contract/parse-resources.ts";
import type { Resource } from "../../contract/resources.ts";

/** Something wrong in a file; lines and columns count from 1. */
export interface ManifestFault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** An object and where its name stands. */
export interface Placed {
  readonly object: Resource;
  readonly line: number;
  readonly column: number;
}

export interface Manifests {
  readonly objects: readonly Placed[];
  /** Every fault of the file; where there is one, `objects` are only those without. */
  readonly faults: readonly ManifestFault[];
}

/** File names that are read. */
export const manifestPattern = /^[^.].*\.(yaml|yml|json)$/i;

const maxFileBytes = 4_194_304;

/**
 * Reads the text of one file. Fields that the CRDs do not have are faults; objects of other API groups are skipped,
 * and so is a JSON file that is no manifest at all (a lockfile, an expectation).
 */
export function parseManifests(file: string, text: string): Manifests {
  if (text.length > maxFileBytes) {
    const message = `the file has ${text.length} characters, at most ${maxFileBytes} are read`;
    return { objects: [], faults: [{ file, line: 1, column: 1, message }] };
  }
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const objects: Placed[] = [];
  const faults: ManifestFault[] = [];
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const isJson = /\.json$/i.test(file);
  // An empty text is a list with a property of its own instead of documents.
  for (const document of "empty" in documents ? [] : documents) {
    if (document.errors.length > 0) {
      for (const error of document.errors) faults.push({ file, ...at(error.pos[0]), message: error.message });
      continue;
    }
    const root = document.contents as Node | null;
    let value: unknown;
    try {
      value = document.toJS();
    } catch (error) {
      faults.push({ file, ...at(root?.range?.[0] ?? 0), message: (error as Error).message });
      continue;
    }
    if (value === null || value === undefined) continue;
    if (isJson && !looksLikeManifest(value)) continue;
    const parsed = parseResource(value, { strict: true, legacy: true });
    for (const fault of parsed.faults) {
      faults.push({ file, ...at(offsetOf(root, fault.path)), message: fault.message });
    }
    if (parsed.resource !== null) {
      objects.push({ object: parsed.resource, ...at(offsetOf(root, ["metadata", "name"])) });
    }
  }
  return { objects, faults };
}

/** `voice.yaml:7:5: spec.steps[1].needs must be a list, not "mic"`. */
export function faultText(fault: ManifestFault): string {
  return `${fault.file}:${fault.line}:${fault.column}: ${fault.message}`;
}

/** Where a path stands, or as much of it as there is: the key of a field, the beginning of an item. */
function offsetOf(root: Node | null, path: Fault["path"]): number {
  let offset = root?.range?.[0] ?? 0;
  let node: unknown = root;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String(item.key) === String(part));
      if (pair === undefined) return offset;
      offset = (pair.key as Node | null)?.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof part === "number") {
      node = node.items[part];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function looksLikeManifest(value: unknown): boolean {
  return typeof value === "object" && value !== null && ("apiVersion" in value || "kind" in value);
}
